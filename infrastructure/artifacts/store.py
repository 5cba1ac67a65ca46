"""The artifact store: content-addressed blobs, in a folder or on S3."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from application.errors import ArtifactHashMismatch, ArtifactMissing, ArtifactPurged
from infrastructure.artifacts.objects import ObjectChanged, ObjectFolder, ObjectMissing, ObjectPurged, Objects

AREA = "artifact"
"""The first word of this store's failpoints."""


class StoredArtifacts:
    """Implements `application.ports.ArtifactStore` over objects, wherever they lie.

    `is_shared`: other processes store artifacts here too.
    """

    def __init__(self, objects: Objects, *, is_shared: bool = False) -> None:
        self._objects = objects
        self._is_shared = is_shared

    def put(self, content: bytes) -> str:
        """Store bytes; returns their SHA-256. Storing what was purged brings it back."""
        return self._objects.put(content)

    def put_file(self, path: Path) -> str:
        """Store a file's content; returns its SHA-256."""
        return self._objects.put_file(path)

    def get(self, sha256: str) -> bytes:
        """Raises ArtifactMissing, ArtifactPurged, ArtifactHashMismatch."""
        with _named(sha256):
            return self._objects.get(sha256)

    def checked_path(self, sha256: str) -> Path:
        """Raises like `get`. Read it soon: what happens to the file later is not seen."""
        with _named(sha256):
            return self._objects.checked_path(sha256)

    def has(self, sha256: str) -> bool:
        """Whether the object is there and not purged."""
        return self._objects.has(sha256)

    def purge(self, sha256: str) -> None:
        """Delete the bytes and leave a mark. Raises ArtifactMissing."""
        with _named(sha256):
            self._objects.purge(sha256)

    def discard(self, sha256: str) -> None:
        """Take out an upload that was refused before anything named it; no mark stays.

        In a shared store it stays, unnamed: another process may have stored equal bytes meanwhile, and named
        them.
        """
        if not self._is_shared:
            self._objects.discard(sha256)


class FolderArtifactStore(StoredArtifacts):
    """The artifacts of one folder."""

    def __init__(self, root: Path) -> None:
        super().__init__(ObjectFolder(root, AREA))


@contextmanager
def _named(sha256: str) -> Iterator[None]:
    try:
        yield
    except ObjectMissing:
        raise ArtifactMissing(f"there is no artifact {sha256}", sha256=sha256) from None
    except ObjectPurged:
        raise ArtifactPurged(f"artifact {sha256} was purged", sha256=sha256) from None
    except ObjectChanged:
        raise ArtifactHashMismatch(
            f"the stored bytes of artifact {sha256} have changed", sha256=sha256
        ) from None
