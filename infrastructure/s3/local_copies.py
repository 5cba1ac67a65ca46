"""Copies of objects on this machine's disk, for readers that need a path.

A folder of objects like any other: named by content, written whole, hashed at every use, shared by all
processes of the machine. The oldest unused copies go when it grows over its bound; what was used within the
last ten minutes stays, so that a path just handed out is not taken away, and the bound is soft by that much.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from infrastructure.artifacts.objects import ObjectChanged, ObjectFolder, ObjectMissing

BYTES_MAX = 10 << 30
IN_USE_S = 600


class LocalCopies:
    """A folder of copies, bounded in bytes."""

    def __init__(self, root: Path, *, bytes_max: int = BYTES_MAX, in_use_s: float = IN_USE_S) -> None:
        self._root = root
        self._folder = ObjectFolder(root, "copy")
        self._bytes_max = bytes_max
        self._in_use_s = in_use_s

    def path(self, sha256: str, fetch: Callable[[], Iterable[bytes]]) -> Path:
        """The copy's path, its content hashed just now; fetched if there is none, or a damaged one.

        Raises ObjectChanged if what was fetched is not what the hash names, and what `fetch` raises.
        """
        with suppress(ObjectMissing, ObjectChanged):
            return self._used(sha256)
        self._folder.put_chunks(refused_unless(sha256, fetch()))
        path = self._used(sha256)
        self._trim()
        return path

    def discard(self, sha256: str) -> None:
        """Forget a copy."""
        self._folder.discard(sha256)

    def _used(self, sha256: str) -> Path:
        path = self._folder.checked_path(sha256)
        with suppress(FileNotFoundError):  # trimmed by another process: an open file goes on being readable
            os.utime(path)
        return path

    def _trim(self) -> None:
        kept, now = 0, time.time()
        for used_at, size, path in sorted(self._copies(), reverse=True):
            kept += size
            if kept > self._bytes_max and now - used_at > self._in_use_s:
                path.unlink(missing_ok=True)

    def _copies(self) -> Iterator[tuple[float, int, Path]]:
        for path in (self._root / "objects").glob("*/*"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                yield facts.st_mtime, facts.st_size, path


def refused_unless(sha256: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass pieces on and raise ObjectChanged behind the last one if they are not what the hash names."""
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
        yield chunk
    if found.hexdigest() != sha256:
        raise ObjectChanged(sha256)
