"""What all processes of a sandboxed program take together. Standard library only."""

import os
import stat
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Literal

Excess = Literal["processes", "memory", "disk", "disk_full"]
_PAGE = os.sysconf("SC_PAGE_SIZE")
_DISK_EVERY_S = 0.5
_KIB = 1024


def descendants(pid: int) -> list[int]:
    """Children, their children and so on, those that ended and were not reaped too."""
    found, waiting = list[int](), [pid]
    while waiting:
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
        return "disk" if self._exceed_disk(pids) else None

    def _exceed_memory(self, pids: Sequence[int]) -> bool:
        """Resident pages first, which is quick; pages that processes share are told apart only then."""
        bound = self._limits["memory_bytes"]
        return sum(map(_resident, pids)) > bound and sum(map(_own, pids)) > bound

    def _exceed_disk(self, pids: Sequence[int]) -> bool:
        bytes_left, files_left = self._limits["disk_bytes"] - _nameless(pids), self._limits["files"]
        waiting = [str(one) for one in self._folders]
        while waiting and bytes_left >= 0 and files_left >= 0:
            with suppress(OSError), os.scandir(waiting.pop()) as entries:
                for entry in islice(entries, files_left + 1):
                    files_left -= 1
                    with suppress(OSError):
                        bytes_left -= entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
        return bytes_left < 0 or files_left < 0


def _is_full(folder: Path, least: int) -> bool:
    with suppress(OSError):
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize < least
    return False


def _nameless(pids: Sequence[int]) -> int:
    """Bytes of open files that have no name any more, or never had one: no folder shows them."""
    found = dict[tuple[int, int], int]()
    for pid in pids:
        with suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
            for entry in entries:
                with suppress(OSError):
                    facts = entry.stat()
                    if stat.S_ISREG(facts.st_mode) and not facts.st_nlink:
                        found[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
    return sum(found.values())


def _resident(pid: int) -> int:
    with suppress(OSError, IndexError):
        return int(Path("/proc", str(pid), "statm").read_text().split()[1]) * _PAGE
    return 0


def _own(pid: int) -> int:
    """A process's share of memory that no file stands behind."""
    total = 0
    with suppress(OSError):
        for line in Path("/proc", str(pid), "smaps_rollup").read_text().splitlines():
            if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                total += int(line.split()[1]) * _KIB
    return total
