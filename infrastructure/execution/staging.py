"""Copies out of a run's folder while the run can still change it: nothing is followed, nothing waited for."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infrastructure.artifacts.archive import is_plain_name
from infrastructure.execution.errors import RunOutputMalformed

FOLDERS_DEEP_MAX = 32
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A link in the name's last part is an error, and a pipe opens at once."""


def copy_file(work: Path, told: str, target: Path, *, bytes_max: int) -> None:
    """Copy a file of the run's folder. Raises RunOutputMalformed where it is none, or has more bytes: those
    that it says it has, which may be far more than it takes on the run's disk.
    """
    with _opened(work, told) as (handle, name):
        _copy(handle, name, target, _Room(bytes_max, 1))


def copy_folder(work: Path, told: str, target: Path, *, bytes_max: int, entries_max: int) -> None:
    """Copy a folder of plain files into a new one. Raises RunOutputMalformed where it holds anything else, or
    more bytes in all, or more files and folders.
    """
    with _opened(work, told) as (handle, name):
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            raise RunOutputMalformed(f"{name} is not a folder with files")
        _copy_entries(handle, target, _Room(bytes_max, entries_max), FOLDERS_DEEP_MAX)
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


class _Room:
    """How much more may be copied."""

    def __init__(self, bytes_max: int, entries_max: int) -> None:
        self._bytes_max, self._entries_max = bytes_max, entries_max
        self._bytes_left, self._entries_left = bytes_max, entries_max

    def take(self, name: str, size: int) -> None:
        """Room for one file or folder, or RunOutputMalformed."""
        self._bytes_left -= size
        self._entries_left -= 1
        if self._bytes_left < 0:
            raise RunOutputMalformed(
                f"up to {name}, it is more than the {self._bytes_max} bytes that it may have"
            )
        if self._entries_left < 0:
            raise RunOutputMalformed(f"it is more than {self._entries_max} files and folders")


def _copy(handle: int, name: str, target: Path, room: _Room) -> None:
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        raise RunOutputMalformed(f"{name} is not a file")
    room.take(name, facts.st_size)
    left = facts.st_size
    with target.open("wb") as file:
        while left and (chunk := os.read(handle, min(left, 1 << 20))):
            left -= len(chunk)
            file.write(chunk)


def _copy_entries(folder: int, target: Path, room: _Room, deep: int) -> None:
    if not deep:
        raise RunOutputMalformed(f"folders lie more than {FOLDERS_DEEP_MAX} deep in each other")
    target.mkdir(mode=0o700)
    for name in sorted(os.listdir(folder)):
        if not is_plain_name(name):
            raise RunOutputMalformed(f"{name[:100]!r} is no name that a model file can have")
        handle = _opened_in(folder, name)
        try:
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                room.take(name, 0)
                _copy_entries(handle, target / name, room, deep - 1)
            else:
                _copy(handle, name, target / name, room)
        finally:
            os.close(handle)
