"""Content-addressed objects, and a folder of them: what is there is whole, what is read is what was stored.

Layout: `objects/ab/cdef…` (mode 0444), `purged/<sha256>` marks, `tmp/` for writes in progress. A write is
temporary file, sync, rename, folder sync; a reader sees the whole object or none. A temporary file is locked
by its writer as long as it lives, so leftovers of dead writers can be told apart and are swept when the
folder is opened.

Several hosts may share the folder over a network file system that renames atomically. Objects need no lock:
equal content has one name and equal bytes, whoever is last. Only the sweep looks at locks, and a lock may be
seen on its own host alone: leftovers of other hosts are therefore left until they are a day old. That a
rename is seen elsewhere at once is the file system's promise (NFS caches names for seconds), not ours.
"""

import fcntl
import hashlib
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from infrastructure import failpoints

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20
_HOST = re.sub("[^A-Za-z0-9.-]", "-", socket.gethostname())
_OTHERS_LEFTOVERS_S = 24 * 3600
"""No write takes as long: older temporary files of other hosts have no writer."""

Fill = Callable[[BinaryIO], None]
"""Writes an object's content into a file."""


class ObjectMissing(Exception):
    """No object has this hash."""


class ObjectPurged(Exception):
    """The object was purged on purpose."""


class ObjectChanged(Exception):
    """The object's bytes are not those that its hash names."""


class Objects(Protocol):
    """Where content-addressed objects lie; the hash is checked at every read."""

    def put(self, content: bytes) -> str:
        """Store bytes; returns their SHA-256. Storing twice is one object; storing what was purged brings it
        back.
        """
        ...

    def put_file(self, path: Path) -> str:
        """Store a file's content without holding it in memory; returns its SHA-256."""
        ...

    def get(self, sha256: str) -> bytes:
        """The object's bytes. Raises ObjectMissing, ObjectPurged, ObjectChanged."""
        ...

    def checked_path(self, sha256: str) -> Path:
        """A path to the object's content once it was hashed; same errors as `get`."""
        ...

    def has(self, sha256: str) -> bool:
        """Whether the object is there and not purged; its content is not checked."""
        ...

    def purge(self, sha256: str) -> None:
        """Leave a mark, then delete the bytes. Purging twice is purging once. Raises ObjectMissing."""
        ...

    def discard(self, sha256: str) -> None:
        """Take out an object that nothing names, as if it had never been stored."""
        ...


class ObjectFolder:
    """Objects under a root folder. `area` is the first word of its failpoints, such as `artifact`."""

    def __init__(self, root: Path, area: str) -> None:
        self._root = root
        self._area = area
        for name in ("objects", "purged", "tmp"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self._sweep()

    def put(self, content: bytes) -> str:
        """Store bytes; returns their SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self._holds(sha256):
            self._write(lambda file: _write_all(file, content))
        return sha256

    def put_file(self, path: Path) -> str:
        """Store a file's content without holding it in memory; returns its SHA-256."""
        return self._write(lambda file: _copy(path, file))

    def put_chunks(self, chunks: Iterable[bytes]) -> str:
        """Store content that comes in pieces; returns its SHA-256. If `chunks` raises, nothing was stored."""
        return self._write(lambda file: file.writelines(chunks))

    def get(self, sha256: str) -> bytes:
        """The object's bytes, hashed as they were read. Raises ObjectMissing, ObjectPurged, ObjectChanged."""
        path = self._path(sha256)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise ObjectMissing(sha256) from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ObjectChanged(sha256)
        return content

    def checked_path(self, sha256: str) -> Path:
        """The object's path once its content was hashed; same errors as `get`."""
        path = self._path(sha256)
        try:
            found = sha256_of_file(path)
        except FileNotFoundError:
            raise ObjectMissing(sha256) from None
        if found != sha256:
            raise ObjectChanged(sha256)
        return path

    def has(self, sha256: str) -> bool:
        """Whether the object is there; its content is not checked."""
        with suppress(ObjectMissing, ObjectPurged):
            return self._path(sha256).is_file()
        return False

    def purge(self, sha256: str) -> None:
        """Leave a mark, then delete the bytes. Purging twice is purging once. Raises ObjectMissing."""
        try:
            path = self._path(sha256)
        except ObjectPurged:
            path = self._place(sha256)
        else:
            if not path.is_file():
                raise ObjectMissing(sha256)
            mark = self._root / mark_of(sha256)
            mark.touch(mode=0o444)
            sync_folder(mark.parent)
        failpoints.hit(f"{self._area}.purge_marked")
        path.unlink(missing_ok=True)
        sync_folder(path.parent)

    def discard(self, sha256: str) -> None:
        """Take out an object that nothing names, as if it had never been stored."""
        if self.has(sha256):
            path = self._place(sha256)
            path.unlink(missing_ok=True)
            sync_folder(path.parent)

    def _path(self, sha256: str) -> Path:
        if not is_sha256(sha256):
            raise ObjectMissing(sha256)
        if (self._root / mark_of(sha256)).exists():
            raise ObjectPurged(sha256)
        return self._place(sha256)

    def _place(self, sha256: str) -> Path:
        return self._root / place_of(sha256)

    def _holds(self, sha256: str) -> bool:
        try:
            self.checked_path(sha256)
        except (ObjectMissing, ObjectPurged, ObjectChanged):
            return False
        return True

    def _write(self, fill: Fill) -> str:
        with self._temporary() as (path, file):
            failpoints.hit(f"{self._area}.before_write")
            fill(file)
            file.flush()
            sha256 = sha256_of_file(path)
            failpoints.hit(f"{self._area}.before_sync")
            os.fchmod(file.fileno(), 0o444)
            os.fsync(file.fileno())
            self._publish(path, sha256)
        return sha256

    def _publish(self, temporary: Path, sha256: str) -> None:
        place = self._place(sha256)
        if not place.parent.exists():
            place.parent.mkdir(exist_ok=True)
            sync_folder(place.parent.parent)
        failpoints.hit(f"{self._area}.before_rename")
        temporary.replace(place)
        failpoints.hit(f"{self._area}.after_rename")
        sync_folder(place.parent)
        self._unmark(sha256)

    def _unmark(self, sha256: str) -> None:
        mark = self._root / mark_of(sha256)
        if mark.exists():
            mark.unlink(missing_ok=True)
            sync_folder(mark.parent)

    @contextmanager
    def _temporary(self) -> Iterator[tuple[Path, BinaryIO]]:
        path, file = self._claim()
        try:
            with file:
                yield path, file
        finally:
            path.unlink(missing_ok=True)

    def _claim(self) -> tuple[Path, BinaryIO]:
        """A new locked file; taken anew if a sweep elsewhere was faster than the lock."""
        while True:
            path = self._root / "tmp" / f"{_HOST}~{os.getpid()}-{secrets.token_hex(8)}"
            file = path.open("xb")
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                return path, file
            file.close()

    def _sweep(self) -> None:
        for path in (self._root / "tmp").iterdir():
            with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
                if _may_be_written_elsewhere(path, os.fstat(file.fileno())):
                    continue
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def is_sha256(name: str) -> bool:
    """Whether this is a SHA-256 as objects are named: 64 lower-case hexadecimal digits."""
    return _SHA256.fullmatch(name) is not None


def place_of(sha256: str) -> str:
    """Where an object lies under the root, in a folder and in a bucket alike."""
    return f"objects/{sha256[:2]}/{sha256[2:]}"


def mark_of(sha256: str) -> str:
    """Where the mark of a purged object lies."""
    return f"purged/{sha256}"


def _may_be_written_elsewhere(path: Path, facts: os.stat_result) -> bool:
    host, between, _ = path.name.partition("~")
    return bool(between) and host != _HOST and time.time() - facts.st_mtime < _OTHERS_LEFTOVERS_S


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file's content, in lower-case hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(path: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(file: BinaryIO, content: bytes) -> None:
    file.write(content)


def _copy(source: Path, target: BinaryIO) -> None:
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            target.write(chunk)
