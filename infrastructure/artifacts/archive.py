"""Zips of folders: a canonical writer and an extractor that trusts nothing.

The canonical zip of a folder depends on its files' names and bytes alone: members sorted by name, times
1980-01-01, mode 0644, stored without compression (a compressor's output differs between versions). The
extractor checks the whole directory of the archive before it writes the first byte, then reads every member
against its declared size.
"""

import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from application.errors import ArchiveMalformed, ArchiveMemberForbidden, ArchiveTooLarge

_MIB = 1 << 20
_CHUNK = 1 << 16
_END = struct.Struct("<4s4H2LH")
"""The end record: signature, disk, disk of the directory, members here and in all, directory's length and
offset, comment.
"""
_LOCATOR = struct.Struct("<4sLQL")
"""What stands before the end record where another record, of 64 bits, counts instead."""
_LOCAL_HEADER = 30
_DIRECTORY_ENTRY = 46
_LONGEST_NAME = 240
_DEVICE_NAME = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""What some systems take for a device, whatever its folder and its ending."""
_FOREIGN_FLAGS = 0x2060
"""Patched data, strong encryption, a directory that is encrypted itself."""
_LINK_FIELDS = (0x000D, 0x756E)
"""Extra fields of Unix in which an entry names the file that it is a link to."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNPACKING = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    ValueError,
    RuntimeError,
)


@dataclass(frozen=True)
class Limits:
    """What an archive may be. Sizes in bytes."""

    archive_bytes: int = 64 * _MIB
    members: int = 2_000
    member_bytes: int = 64 * _MIB
    total_bytes: int = 256 * _MIB
    ratio: int = 200
    """A member may unpack to at most this many times its packed size (and 64 KiB in any case)."""


def write_canonical_zip(folder: Path, target: Path) -> None:
    """Zip a folder's files so that equal content gives equal bytes. Raises ArchiveMemberForbidden for a link
    or device.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path, name in _files(folder):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(info, "w") as member:
                while chunk := source.read(_CHUNK):
                    member.write(chunk)


def _files(folder: Path) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            found.append((path, name))
        elif not stat.S_ISDIR(mode):
            raise ArchiveMemberForbidden(f"{name!r} is neither a file nor a folder", member=name)
    return sorted(found, key=lambda item: item[1])


def extract(archive_path: Path, target: Path, limits: Limits | None = None) -> list[str]:
    """Unpack a zip into an empty folder; returns the members' names, sorted.

    Raises ArchiveMalformed, ArchiveMemberForbidden, ArchiveTooLarge; then nothing is left in `target`.
    """
    limits = limits or Limits()
    with _opened(archive_path, limits) as archive:
        members = checked_members(archive, limits)
        try:
            for info in members:
                _write_member(archive, info, target)
        except BaseException:
            _empty(target)
            raise
    return sorted(info.filename for info in members)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def read_members(
    archive_path: Path, names: set[str], limits: Limits | None = None, *, read_bytes: int | None = None
) -> tuple[list[str], dict[str, bytes]]:
    """All members' names, sorted, and the bytes of those asked for, without unpacking. Raises like
    `extract`, and ArchiveTooLarge where one that was asked for has more than `read_bytes`.
    """
    limits = limits or Limits()
    with _opened(archive_path, limits) as archive:
        members = checked_members(archive, limits)
        wanted = [info for info in members if info.filename in names]
        for info in wanted:
            if read_bytes is not None and info.file_size > read_bytes:
                raise ArchiveTooLarge(
                    f"{info.filename!r} has more than {read_bytes} bytes", member=info.filename
                )
        read = {info.filename: _read_member(archive, info) for info in wanted}
    return sorted(info.filename for info in members), read


def _opened(path: Path, limits: Limits) -> zipfile.ZipFile:
    if path.stat().st_size > limits.archive_bytes:
        raise ArchiveTooLarge(f"the archive has more than {limits.archive_bytes} bytes")
    entries = _told_entries(path, limits)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as problem:
        raise ArchiveMalformed(f"not a zip: {problem}") from None
    if len(archive.infolist()) != entries:
        archive.close()
        raise ArchiveMalformed(f"its end record tells of {entries} members, its directory has others")
    return archive


def _told_entries(path: Path, limits: Limits) -> int:
    """How many members the end record tells of: looked at before `zipfile` reads the whole directory."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END.size - 0xFFFF))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise ArchiveMalformed("not a zip: it has no end record")
    _, disk, first_disk, here, entries, length, offset, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise ArchiveMalformed("not a plain zip: there are bytes after its end")
    if disk or first_disk or here != entries or offset + length != size - len(tail) + at:
        raise ArchiveMalformed("not a plain zip: several parts, 64-bit records, or bytes around the archive")
    if tail[max(at - _LOCATOR.size, 0) : at].startswith(b"PK\x06\x07"):
        raise ArchiveMalformed("not a plain zip: another end record, of 64 bits, counts")
    if entries > limits.members or length > limits.members * (_DIRECTORY_ENTRY + _LONGEST_NAME + 64):
        raise ArchiveTooLarge(f"the archive has more than {limits.members} members")
    return int(entries)


def checked_members(archive: zipfile.ZipFile, limits: Limits) -> list[zipfile.ZipInfo]:
    """The archive's files (folders left out) once every name, kind and size was checked. Raises like
    `extract`.
    """
    infos = archive.infolist()
    if len(infos) > limits.members:
        raise ArchiveTooLarge(f"the archive has more than {limits.members} members")
    for info in infos:
        _check_name(info)
        _check_kind(info)
        _check_size(info, limits)
    if sum(info.file_size for info in infos) > limits.total_bytes:
        raise ArchiveTooLarge(f"the archive unpacks to more than {limits.total_bytes} bytes")
    files = [info for info in infos if not info.is_dir()]
    _check_distinct(files)
    _check_no_overlap(infos, archive.start_dir)
    return files


def _check_name(info: zipfile.ZipInfo) -> None:
    name = info.filename.removesuffix("/")
    if info.orig_filename != info.filename or not is_plain_name(name):
        raise ArchiveMemberForbidden(
            f"{info.orig_filename!r} is not a plain relative name", member=info.filename
        )


def is_plain_name(name: str) -> bool:
    """Whether a relative name means the same file everywhere: no way out of its folder, also where letters
    that look alike are one, no device, nothing that is not seen.
    """
    if not 0 < len(name.encode(errors="replace")) <= _LONGEST_NAME:
        return False
    alike = unicodedata.normalize("NFKC", name)
    return _is_plain(name) and _is_plain(alike) and alike.count("/") == name.count("/")


def _is_plain(name: str) -> bool:
    return not any(character in '\\:*?"<>|' or not character.isprintable() for character in name) and not any(
        part.strip(" .") == "" or part[0] == " " or part[-1] in " ." or _DEVICE_NAME.fullmatch(part)
        for part in name.split("/")
    )


def _check_kind(info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    expected = stat.S_IFDIR if info.is_dir() else stat.S_IFREG
    if kind not in (0, expected):
        raise ArchiveMemberForbidden(f"{info.filename!r} is a link or a device", member=info.filename)
    if any(number in _LINK_FIELDS for number in _extra_fields(info.extra)):
        raise ArchiveMemberForbidden(f"{info.filename!r} names what it is a link to", member=info.filename)
    if info.flag_bits & (0x1 | _FOREIGN_FLAGS):
        raise ArchiveMemberForbidden(f"{info.filename!r} is encrypted", member=info.filename)
    if info.compress_type not in _METHODS:
        raise ArchiveMalformed(
            f"{info.filename!r} is packed by method {info.compress_type}; use stored or deflate"
        )


def _extra_fields(extra: bytes) -> Iterator[int]:
    at = 0
    while at + 4 <= len(extra):
        number, length = struct.unpack_from("<HH", extra, at)
        yield number
        at += 4 + length


def _check_size(info: zipfile.ZipInfo, limits: Limits) -> None:
    if info.file_size > limits.member_bytes:
        raise ArchiveTooLarge(
            f"{info.filename!r} has more than {limits.member_bytes} bytes", member=info.filename
        )
    if info.file_size > max(_CHUNK, limits.ratio * info.compress_size):
        raise ArchiveTooLarge(
            f"{info.filename!r} unpacks to over {limits.ratio} times its size", member=info.filename
        )


def _check_distinct(files: list[zipfile.ZipInfo]) -> None:
    """No name twice, also where letter case and ways to write a letter do not count, and no file that is
    another one's folder.
    """
    names = [unicodedata.normalize("NFKC", info.filename).casefold() for info in files]
    seen: set[str] = set()
    for info, name in zip(files, names, strict=True):
        if name in seen:
            raise ArchiveMemberForbidden(f"{info.filename!r} is there twice", member=info.filename)
        seen.add(name)
    folders: set[str] = set()
    for info, name in zip(files, names, strict=True):
        if any(parent in seen for parent in _new_parents(name, folders)):
            raise ArchiveMemberForbidden(f"{info.filename!r} lies in a file", member=info.filename)


def _new_parents(name: str, known: set[str]) -> Iterator[str]:
    """The folders that a name lies in, from the inside, up to the first that is known already."""
    while (name := name.rpartition("/")[0]) and name not in known:
        known.add(name)
        yield name


def _check_no_overlap(infos: list[zipfile.ZipInfo], end: int) -> None:
    """Members that share bytes are how a small archive unpacks to a huge one."""
    spans = sorted(
        (info.header_offset, _LOCAL_HEADER + len(info.orig_filename) + info.compress_size) for info in infos
    )
    for (start, length), (following, _) in pairwise([*spans, (end, 0)]):
        if start + length > following:
            raise ArchiveMalformed("members of the archive overlap")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    return b"".join(_chunks(archive, info))


def _write_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    path = target / info.filename
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for chunk in _chunks(archive, info):
            file.write(chunk)


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """The member's bytes, its size and checksum proved by the end."""
    size = 0
    try:
        with archive.open(info) as member:
            while chunk := member.read(_CHUNK):
                size += len(chunk)
                yield chunk
    except _UNPACKING as problem:
        raise ArchiveMalformed(
            f"{info.filename!r} cannot be unpacked: {problem}", member=info.filename
        ) from None
    if size != info.file_size:
        raise ArchiveMalformed(f"{info.filename!r} has another size than it says", member=info.filename)
