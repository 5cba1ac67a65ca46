"""Copies out of a run's folder while the run can still change it: nothing is followed, nothing waited for."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infrastructure.artifacts.archive import is_plain_name
from infrastructure.execution.errors import RunOutputMalformed

FOLDERS_DEEP_MAX = 32
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A link in the name's last part is an error, and a pipe opens at once."""


@dataclass
class Allowance:
    """What may still be copied. Files count with the size that they show, holes too."""

    bytes_left: int
    files_left: int = 1

    def take(self, name: str, size: int) -> None:
        """Count a file. Raises RunOutputMalformed where it is too much."""
        if size > self.bytes_left:
            raise RunOutputMalformed(f"{name} has {size} bytes, {self.bytes_left} more may be handed over")
        if not self.files_left:
            raise RunOutputMalformed(f"with {name} there are more files than may be handed over")
        self.bytes_left -= size
        self.files_left -= 1


def copy_file(work: Path, told: str, target: Path, allowed: Allowance) -> None:
    """Copy a file of the run's folder. Raises RunOutputMalformed where it is none, or too large."""
    with _opened(work, told) as (handle, name):
        _copy(handle, name, target, allowed)


def copy_folder(work: Path, told: str, target: Path, allowed: Allowance) -> None:
    """Copy a folder of plain files into a new one. Raises RunOutputMalformed where it holds anything else, or
    more than is allowed.
    """
    with _opened(work, told) as (handle, name):
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            raise RunOutputMalformed(f"{name} is not a folder with files")
        _copy_entries(handle, target, FOLDERS_DEEP_MAX, allowed)
        if not any(target.iterdir()):
            raise RunOutputMalformed(f"{name} is not a folder with files")


@contextmanager
def _opened(work: Path, told: str) -> Iterator[tuple[int, str]]:
    """What lies at a path below the run's folder, opened part by part: no part may be a link."""
    parts = _parts_below(work, told)
    handle = os.open(work, _OPEN | os.O_DIRECTORY)
    try:
        for part in parts:
            above, handle = handle, _opened_in(handle, part)
            os.close(above)
        yield handle, parts[-1]
    finally:
        os.close(handle)


def _parts_below(work: Path, told: str) -> tuple[str, ...]:
    for place in (work, work.resolve()):
        path = place / told
        if path.is_relative_to(place) and ".." not in path.parts and path != place:
            return path.relative_to(place).parts
    raise RunOutputMalformed("what is staged must lie in the run's own folder")


def _opened_in(folder: int, name: str) -> int:
    try:
        return os.open(name, _OPEN, dir_fd=folder)
    except (OSError, ValueError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "not a name"
        raise RunOutputMalformed(f"{name[:100]!r} is not a file or folder of the run: {why}") from None


def _copy(handle: int, name: str, target: Path, allowed: Allowance) -> None:
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        raise RunOutputMalformed(f"{name} is not a file")
    left = facts.st_size
    allowed.take(name, left)
    with target.open("wb") as file:
        while left and (chunk := os.read(handle, min(left, 1 << 20))):
            left -= len(chunk)
            file.write(chunk)


def _copy_entries(folder: int, target: Path, deep: int, allowed: Allowance) -> None:
    if not deep:
        raise RunOutputMalformed(f"folders lie more than {FOLDERS_DEEP_MAX} deep in each other")
    target.mkdir(mode=0o700)
    for name in sorted(os.listdir(folder)):
        if not is_plain_name(name):
            raise RunOutputMalformed(f"{name[:100]!r} is no name that a model file can have")
        handle = _opened_in(folder, name)
        try:
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                _copy_entries(handle, target / name, deep - 1, allowed)
            else:
                _copy(handle, name, target / name, allowed)
        finally:
            os.close(handle)
