"""Unpack a checked package into a folder, member by member."""

import os
import zipfile
from pathlib import Path

from domain.ml_module_def.package_errors import DefinitionPackageMalformed
from infrastructure.packages.members import PackageLimits, checked_members

_CHUNK = 1024 * 1024


def unpack(path: Path, target: Path, limits: PackageLimits | None = None) -> None:
    """Write a package's files below `target` (made here), mode 0600; raises `definition.package_*`."""
    members = checked_members(path, limits or PackageLimits())
    target.mkdir(parents=True, mode=0o700)
    try:
        with zipfile.ZipFile(path) as archive:
            for member in members:
                _unpack_member(archive, member, target)
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise DefinitionPackageMalformed(f"the zip is damaged: {error}") from None


def _unpack_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    place = target.joinpath(*member.filename.split("/"))
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    written = 0
    with archive.open(member) as content, os.fdopen(descriptor, "wb") as file:
        while chunk := content.read(_CHUNK):
            written += len(chunk)
            if written > member.file_size:
                raise DefinitionPackageMalformed(f"{member.filename!r} is larger than it says")
            file.write(chunk)
