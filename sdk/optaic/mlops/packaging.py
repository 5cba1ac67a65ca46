"""Definition folder → canonical zip: the same files give the same bytes, so the same hash, on every
machine.
"""

import io
import zipfile
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "dist", "build"})
_SKIPPED_SUFFIXES = frozenset({".pyc", ".pyo"})


def packed_files(folder: Path) -> list[Path]:
    """The files of a definition folder that go into its package, sorted; hidden files and caches stay out."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return [path for path in files if _belongs(path.relative_to(folder))]


def pack(folder: Path) -> bytes:
    """The package of a definition folder: members sorted, times zeroed, permissions 0644.

    Raises FileNotFoundError where the folder has no definition.toml.
    """
    if not (folder / "definition.toml").is_file():
        raise FileNotFoundError(f"{folder} holds no definition.toml")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in packed_files(folder):
            member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            member.external_attr = 0o100644 << 16
            member.create_system = 3
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, path.read_bytes())
    return buffer.getvalue()


def canonical_zip(folder: Path) -> bytes:
    """A model file: all files of a folder, sorted, times zeroed, stored: equal content gives equal bytes."""
    files = sorted(
        (path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file()
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, path in files:
            member = zipfile.ZipInfo(name, _EPOCH)
            member.create_system = 3
            member.external_attr = 0o100644 << 16
            archive.writestr(member, path.read_bytes())
    return buffer.getvalue()


def unpack_zip(content: bytes, target: Path) -> None:
    """Write a zip's files below a new folder; raises ValueError for a name that would lead out of it."""
    target.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            parts = member.filename.split("/")
            if member.is_dir():
                continue
            if any(part in ("", ".", "..") or "\\" in part or ":" in part for part in parts):
                raise ValueError(f"{member.filename!r} is not a plain relative name")
            place = target.joinpath(*parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(archive.read(member))


def _belongs(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and not _SKIPPED_FOLDERS & set(path.parts) and path.suffix not in _SKIPPED_SUFFIXES
