"""A process that stores artifacts one after the other and says each hash once it is stored; it is killed by
tests.
"""

import hashlib
import sys
from pathlib import Path

from infrastructure.artifacts.store import FolderArtifactStore


def content_of(number: int) -> bytes:
    """The same content for the same number, a few hundred KiB."""
    return hashlib.sha256(str(number).encode()).digest() * 8_000


def main() -> None:
    """Store numbers from argv[2] on, for ever; every third one is purged and stored again."""
    store = FolderArtifactStore(Path(sys.argv[1]))
    number = int(sys.argv[2])
    while True:
        sha256 = store.put(content_of(number))
        if number % 3 == 0:
            store.purge(sha256)
            store.put(content_of(number))
        sys.stdout.write(f"{number} {sha256}\n")
        sys.stdout.flush()
        number += 1


if __name__ == "__main__":
    main()
