"""Content-addressed objects in a bucket, in the layout of `infrastructure.artifacts.objects.ObjectFolder`.

`<prefix>/objects/ab/cdef…` and `<prefix>/purged/<sha256>`: a folder copied into a bucket, or back, is a
store. Every write is conditional. Where an object is already, its bytes are read back and hashed before the
write counts as done; if they are others, the write is refused: nothing in the store is ever overwritten.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from infrastructure import failpoints
from infrastructure.artifacts.objects import (
    ObjectChanged,
    ObjectMissing,
    ObjectPurged,
    is_sha256,
    mark_of,
    place_of,
    sha256_of_file,
)
from infrastructure.s3.bucket import Bucket
from infrastructure.s3.errors import KeyAbsent, StoreNotReachable, StoreObjectChanged
from infrastructure.s3.local_copies import LocalCopies, refused_unless
from infrastructure.s3.uploads import PART_BYTES, create_from_file

_TRIES = 3


class S3Objects:
    """Implements `Objects` under a prefix of a bucket. `area` is the first word of its failpoints.

    Every method may raise StoreNotReachable, StoreAccessRefused and StoreBucketMissing; `put` and `put_file`
    StoreObjectChanged.
    """

    def __init__(
        self, bucket: Bucket, prefix: str, area: str, copies: LocalCopies, *, part_bytes: int = PART_BYTES
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._area = area
        self._copies = copies
        self._part_bytes = part_bytes

    def put(self, content: bytes) -> str:
        """Store bytes; returns their SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()

        def create() -> bool:
            failpoints.hit(f"{self._area}.before_write")
            failpoints.hit(f"{self._area}.before_rename")
            return self._bucket.create(self._key(place_of(sha256)), content)

        return self._stored(sha256, create)

    def put_file(self, path: Path) -> str:
        """Store a file's content with one part of it in memory; returns its SHA-256. Also raises
        StoreUploadChanged.
        """
        if path.stat().st_size <= self._part_bytes:
            return self.put(path.read_bytes())
        sha256 = sha256_of_file(path)
        key = self._key(place_of(sha256))

        def create() -> bool:
            return self._bucket.size(key) is None and create_from_file(
                self._bucket, key, path, sha256, area=self._area, part_bytes=self._part_bytes
            )

        return self._stored(sha256, create)

    def get(self, sha256: str) -> bytes:
        """The object's bytes, hashed as they came. Raises ObjectMissing, ObjectPurged, ObjectChanged."""
        key = self._readable(sha256)
        try:
            return b"".join(refused_unless(sha256, self._bucket.chunks(key)))
        except KeyAbsent:
            raise ObjectMissing(sha256) from None

    def checked_path(self, sha256: str) -> Path:
        """A local copy's path, hashed just now; same errors as `get`."""
        key = self._readable(sha256)
        try:
            return self._copies.path(sha256, lambda: self._bucket.chunks(key))
        except KeyAbsent:
            raise ObjectMissing(sha256) from None

    def has(self, sha256: str) -> bool:
        """Whether the object is there and not purged; its content is not checked."""
        try:
            return self._bucket.size(self._readable(sha256)) is not None
        except (ObjectMissing, ObjectPurged):
            return False

    def purge(self, sha256: str) -> None:
        """Leave a mark, then delete the bytes. Purging twice is purging once. Raises ObjectMissing.

        A bucket that keeps old versions keeps the bytes until its lifecycle rule takes them.
        """
        try:
            key = self._readable(sha256)
        except ObjectPurged:
            key = self._key(place_of(sha256))
        else:
            if self._bucket.size(key) is None:
                raise ObjectMissing(sha256)
            self._bucket.create(self._key(mark_of(sha256)), b"")
        failpoints.hit(f"{self._area}.purge_marked")
        self._bucket.delete(key)
        self._copies.discard(sha256)

    def discard(self, sha256: str) -> None:
        """Take out an object that nothing names, as if it had never been stored."""
        if self.has(sha256):
            self._bucket.delete(self._key(place_of(sha256)))
            self._copies.discard(sha256)

    def _stored(self, sha256: str, create: Callable[[], bool]) -> str:
        """Create, or see that the right bytes are there; anew if they vanish in between."""
        for _ in range(_TRIES):
            if create() or self._is_whole(sha256):
                failpoints.hit(f"{self._area}.after_rename")
                self._unmark(sha256)
                return sha256
        raise StoreNotReachable(f"object {sha256} comes and goes: others purge or discard it meanwhile")

    def _is_whole(self, sha256: str) -> bool:
        try:
            for _ in refused_unless(sha256, self._bucket.chunks(self._key(place_of(sha256)))):
                pass
        except KeyAbsent:
            return False
        except ObjectChanged:
            raise StoreObjectChanged(
                f"the store holds other bytes under {sha256}; nothing was written", sha256=sha256
            ) from None
        return True

    def _unmark(self, sha256: str) -> None:
        mark = self._key(mark_of(sha256))
        if self._bucket.size(mark) is not None:
            self._bucket.delete(mark)

    def _readable(self, sha256: str) -> str:
        if not is_sha256(sha256):
            raise ObjectMissing(sha256)
        if self._bucket.size(self._key(mark_of(sha256))) is not None:
            raise ObjectPurged(sha256)
        return self._key(place_of(sha256))

    def _key(self, place: str) -> str:
        return self._prefix + place
