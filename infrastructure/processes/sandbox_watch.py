"""What all processes of a sandboxed program take together. Standard library only."""

import os
import stat
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Excess = Literal["processes", "memory", "disk", "disk_full"]
_PAGE = os.sysconf("SC_PAGE_SIZE")
_DISK_EVERY_S = 0.5
_KIB = 1024
_BLOCK = 512
_HELD_MAX = 10_000
"""Open files of all processes together."""


def descendants(pid: int, enough: int | None = None) -> list[int]:
    """Children, their children and so on, those that ended and were not reaped too; not many more than
    `enough`, however fast they fork meanwhile.
    """
    found, waiting = list[int](), [pid]
    while waiting and (enough is None or len(found) <= enough):
        place = Path("/proc", str(waiting.pop()), "task")
        with suppress(OSError):
            for task in place.iterdir():
                children = [int(one) for one in (task / "children").read_text().split()]
                found += children
                waiting += children
    return found


def everybody() -> list[int]:
    """All processes of this process namespace but its first."""
    return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal() and one.name != "1"]


class Watch:
    """Compares what is taken with the limits."""

    def __init__(self, limits: Mapping[str, int], folders: Sequence[Path]) -> None:
        self._limits = limits
        self._folders = folders
        self._looked = 0.0

    def found(self, pids: Sequence[int]) -> Excess | None:
        """What is exceeded now, if anything."""
        if len(pids) > self._limits["processes"]:
            return "processes"
        if self._exceed_memory(pids):
            return "memory"
        if any(_is_full(folder, self._limits["disk_free_bytes"]) for folder in self._folders):
            return "disk_full"
        now = time.monotonic()
        if now - self._looked < _DISK_EVERY_S:
            return None
        self._looked = now
        held = _held(pids)
        if held is None or self._exceed_disk(held.disk):
            return "disk"
        return "memory" if held.memory > self._limits["memory_bytes"] else None

    def _exceed_memory(self, pids: Sequence[int]) -> bool:
        """Resident pages first, which is quick; pages that processes share are told apart only then."""
        bound = self._limits["memory_bytes"]
        return sum(map(_resident, pids)) > bound and sum(map(_own, pids)) > bound

    def _exceed_disk(self, without_a_name: int) -> bool:
        """A folder that cannot be looked into, or lies too deep for that, counts as too much."""
        bytes_left, files_left = self._limits["disk_bytes"] - without_a_name, self._limits["files"]
        waiting = [str(one) for one in self._folders]
        try:
            while waiting and bytes_left >= 0 and files_left >= 0:
                with suppress(FileNotFoundError, NotADirectoryError), os.scandir(waiting.pop()) as entries:
                    for entry in entries:
                        files_left -= 1
                        with suppress(FileNotFoundError):
                            bytes_left -= entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                            if entry.is_dir(follow_symlinks=False):
                                waiting.append(entry.path)
        except OSError:
            return True
        return bytes_left < 0 or files_left < 0


def _is_full(folder: Path, least: int) -> bool:
    with suppress(OSError):
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize < least
    return False


@dataclass
class _Held:
    """Bytes of files that processes hold open and that no folder names: nothing else counts them."""

    disk: int = 0
    memory: int = 0


def _held(pids: Sequence[int]) -> _Held | None:
    """None where they hold more files open than can be looked at."""
    found, seen, left = _Held(), set[tuple[int, int]](), _HELD_MAX
    for pid in pids:
        place = f"/proc/{pid}/fd"
        with suppress(OSError):
            for name in os.listdir(place):  # noqa: PTH208  # many, twice a second
                left -= 1
                if left < 0:
                    return None
                with suppress(OSError):
                    _count(f"{place}/{name}", found, seen)
    return found


def _count(path: str, found: _Held, seen: set[tuple[int, int]]) -> None:
    facts = os.stat(path)  # noqa: PTH116  # as above
    key = (facts.st_dev, facts.st_ino)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink or key in seen:
        return
    seen.add(key)
    if os.readlink(path).startswith("/memfd:"):  # noqa: PTH115  # as above
        found.memory += facts.st_blocks * _BLOCK
    else:
        found.disk += facts.st_blocks * _BLOCK


def _resident(pid: int) -> int:
    with suppress(OSError, IndexError):
        return int(Path("/proc", str(pid), "statm").read_text().split()[1]) * _PAGE
    return 0


def _own(pid: int) -> int:
    """A process's share of memory that no file stands behind; all of it where it shows nothing of that."""
    total = 0
    try:
        for line in Path("/proc", str(pid), "smaps_rollup").read_text().splitlines():
            if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                total += int(line.split()[1]) * _KIB
    except PermissionError:
        return _resident(pid)
    except OSError:
        return 0
    return total
