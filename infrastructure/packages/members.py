"""What a package's zip may hold: few, small, plainly named files that do not overlap."""

import re
import stat
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from domain.ml_module_def.package_errors import DefinitionPackageMalformed, DefinitionPackageTooLarge

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+ -]{0,127}")
_LOCAL_HEADER = 30


@dataclass(frozen=True, slots=True)
class PackageLimits:
    """Bytes packed and unpacked, number of members, depth of folders, unpacked bytes per packed byte."""

    packed_bytes: int = 32 * 1024 * 1024
    unpacked_bytes: int = 128 * 1024 * 1024
    members: int = 2_000
    depth: int = 12
    ratio: int = 200


def checked_members(path: Path, limits: PackageLimits) -> list[zipfile.ZipInfo]:
    """The files of a zip; raises DefinitionPackageMalformed, DefinitionPackageTooLarge."""
    if path.stat().st_size > limits.packed_bytes:
        raise DefinitionPackageTooLarge(f"the zip has more than {limits.packed_bytes} bytes")
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DefinitionPackageMalformed(f"not a zip that can be read: {error}") from None
    _check_sizes(infos, limits)
    _check_overlap(infos)
    for info in infos:
        _check_member(info, limits)
    files = [info for info in infos if not info.is_dir()]
    _check_unique([info.filename for info in files])
    return files


def _check_sizes(infos: Sequence[zipfile.ZipInfo], limits: PackageLimits) -> None:
    if len(infos) > limits.members:
        raise DefinitionPackageTooLarge(f"{len(infos)} members, at most {limits.members}")
    unpacked = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    if unpacked > limits.unpacked_bytes:
        raise DefinitionPackageTooLarge(f"unpacks to {unpacked} bytes, at most {limits.unpacked_bytes}")
    if unpacked > max(packed, 4096) * limits.ratio:
        raise DefinitionPackageTooLarge(f"unpacks to over {limits.ratio} times its size")


def _check_overlap(infos: Sequence[zipfile.ZipInfo]) -> None:
    """Members that share bytes make a bomb out of a small file."""
    placed = sorted(infos, key=lambda info: info.header_offset)
    for info, following in pairwise(placed):
        end = info.header_offset + _LOCAL_HEADER + len(info.orig_filename.encode()) + info.compress_size
        if end > following.header_offset:
            raise DefinitionPackageMalformed(f"{info.filename!r} overlaps {following.filename!r}")


def _check_member(info: zipfile.ZipInfo, limits: PackageLimits) -> None:
    name = info.filename
    parts = name.rstrip("/").split("/")
    if name.startswith("/") or "\\" in info.orig_filename or "\0" in info.orig_filename or ":" in name:
        raise DefinitionPackageMalformed(f"{name!r} is not a relative path with forward slashes")
    if len(parts) > limits.depth or not all(_PART.fullmatch(part) for part in parts):
        raise DefinitionPackageMalformed(f"{name!r} has a part that is empty, '..', hidden or oddly named")
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DefinitionPackageMalformed(f"{name!r} is a link or a special file")
    if info.flag_bits & 0x1:
        raise DefinitionPackageMalformed(f"{name!r} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DefinitionPackageMalformed(f"{name!r} is compressed in a way other than deflate")


def _check_unique(names: Sequence[str]) -> None:
    """No name twice, also not in another case, and no file that is another one's folder."""
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise DefinitionPackageMalformed(f"{name!r} stands in the zip twice")
        seen.add(name.lower())
    for name in names:
        for end in [i for i, letter in enumerate(name) if letter == "/"]:
            if name[:end].lower() in seen:
                raise DefinitionPackageMalformed(f"{name[:end]!r} is a file and a folder")
