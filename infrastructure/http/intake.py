"""Uploads become artifacts only for as long as something names them: a refused upload leaves nothing.

Where several servers share a store it stays, unnamed, since another may have named equal bytes meanwhile.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infrastructure.artifacts.objects import sha256_of_file
from infrastructure.artifacts.store import StoredArtifacts

_STRIPES = 64


class Intake:
    """Takes uploads into the artifact store. Equal contents wait for each other: none takes another's."""

    def __init__(self, artifacts: StoredArtifacts) -> None:
        self._artifacts = artifacts
        self._locks = tuple(threading.Lock() for _ in range(_STRIPES))

    def keep(self, path: Path) -> str:
        """Store a file for good; returns its SHA-256."""
        sha256 = sha256_of_file(path)
        with self._lock(sha256):
            return self._artifacts.put_file(path)

    @contextmanager
    def tentative(self, path: Path, *, keep: bool) -> Iterator[str]:
        """Store a file while a command uses it; gone again if the command fails, or always without `keep`.

        What had been stored before stays.
        """
        sha256 = sha256_of_file(path)
        with self._lock(sha256):
            is_new = not self._artifacts.has(sha256)
            self._artifacts.put_file(path)
            stays = False
            try:
                yield sha256
                stays = keep
            finally:
                if is_new and not stays:
                    self._artifacts.discard(sha256)

    def _lock(self, sha256: str) -> threading.Lock:
        return self._locks[int(sha256[:4], 16) % _STRIPES]
