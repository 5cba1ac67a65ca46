"""Reads and writes a version's objects. What is handed out was hashed from the very bytes that are decoded.

There is no cache of checks: a file is small (65,536 rows by default), a read leaves out the files that cannot
matter, and each of the others is read into memory once, hashed there (2 GB/s) and decoded from there. A byte
that was flipped on disk after an earlier read is therefore never served, whatever the file's times say.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec
import polars as pl

from application.errors import (
    DatasetFileMissing,
    DatasetHashMismatch,
    DatasetManifestMissing,
    DatasetPurged,
)
from infrastructure.artifacts.objects import ObjectChanged, ObjectMissing, ObjectPurged, Objects
from infrastructure.datasets import manifest as manifests
from infrastructure.datasets.frames import STORED_ORDER
from infrastructure.datasets.manifest import FileEntry, Manifest

ROWS_PER_FILE = 65_536
_THREADS = 2
_BATCH = 4
_WORTH_THREADS = 8 << 20
"""Bytes from which hashing and decoding in threads is faster than starting them."""

MOST_FILES_A_WRITE = 256
"""An event names the files that its version adds, and an event has at most 64 KiB."""


Narrowing = Callable[[pl.LazyFrame], pl.LazyFrame]
"""What a read keeps of the rows: filters and columns."""


def _all_rows(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


class DatasetFiles:
    """Parquet files, manifests and entity lists as content-addressed objects."""

    def __init__(self, objects: Objects, rows_per_file: int = ROWS_PER_FILE) -> None:
        self._objects = objects
        self._rows_per_file = rows_per_file

    def write(self, rows: pl.DataFrame, revised: pl.Series, label: str) -> tuple[FileEntry, ...]:
        """Store rows in stored order in files of even size. `revised`: one flag a row (see
        FileEntry.revised).

        `label` goes into the files' metadata: equal rows of two datasets must not be one object, since
        purging one would take the other's bytes too.
        """
        flagged = rows.with_columns(revised.alias("__revised")).sort(STORED_ORDER)
        step = max(self._rows_per_file, -(-flagged.height // MOST_FILES_A_WRITE))
        parts = flagged.iter_slices(step)
        return tuple(
            self._write_file(part.drop("__revised"), bool(part["__revised"].any()), label) for part in parts
        )

    def _write_file(self, rows: pl.DataFrame, revised: bool, label: str) -> FileEntry:  # noqa: FBT001 - private
        buffer = io.BytesIO()
        rows.write_parquet(buffer, compression="lz4", metadata={"optaic.write": label})
        content = buffer.getvalue()
        knowledge, seq = rows["knowledge_date"], rows["seq"]
        return FileEntry(
            sha256=self._objects.put(content),
            rows=rows.height,
            size_bytes=len(content),
            first_date=rows["date"][0],
            last_date=rows["date"][-1],
            knowledge_first=_moment(knowledge.min()),
            knowledge_last=_moment(knowledge.max()),
            first_seq=_whole(seq.min()),
            last_seq=_whole(seq.max()),
            tombstones=int((rows["op"] == "D").sum()),
            revised=revised,
        )

    def rows(self, entries: Sequence[FileEntry], narrowed: Narrowing = _all_rows) -> pl.DataFrame:
        """The rows of several files, at least one, in their order; `narrowed` is pushed into the decoding.

        A few files are hashed and decoded at a time: their bytes are still in the processor's cache then, and
        memory holds no more of them. Raises DatasetFileMissing, DatasetPurged, DatasetHashMismatch.
        """

        def batch(part: Sequence[FileEntry]) -> pl.DataFrame:
            return narrowed(pl.scan_parquet([self._content(entry) for entry in part], glob=False)).collect()

        if sum(entry.size_bytes for entry in entries) < _WORTH_THREADS:
            return batch(entries)
        with ThreadPoolExecutor(_THREADS) as pool:
            starts = range(0, len(entries), _BATCH)
            return pl.concat(pool.map(batch, [entries[start : start + _BATCH] for start in starts]))

    def _content(self, entry: FileEntry) -> bytes:
        with _named(f"file {entry.sha256}", DatasetFileMissing):
            return self._objects.get(entry.sha256)

    def put_manifest(self, manifest: Manifest) -> str:
        """Store a manifest; returns its SHA-256."""
        return self._objects.put(manifests.encode(manifest))

    def manifest(self, sha256: str) -> Manifest:
        """Raises DatasetManifestMissing, DatasetHashMismatch."""
        with _named(f"manifest {sha256}", DatasetManifestMissing):
            return manifests.decode(self._objects.get(sha256))

    def put_entities(self, entities: set[str]) -> str:
        """Store the sorted list of entities; returns its SHA-256."""
        return self._objects.put(msgspec.json.encode(sorted(entities)))

    def entities(self, sha256: str) -> set[str]:
        """Raises DatasetFileMissing, DatasetHashMismatch."""
        with _named(f"entity list {sha256}", DatasetFileMissing):
            return set(msgspec.json.decode(self._objects.get(sha256), type=list[str]))

    def purge(self, sha256: str) -> None:
        """Delete a file's bytes and leave a mark; purging what is gone is nothing new. Raises
        DatasetFileMissing.
        """
        with _named(f"file {sha256}", DatasetFileMissing):
            self._objects.purge(sha256)


@contextmanager
def _named(what: str, missing: type[DatasetFileMissing] | type[DatasetManifestMissing]) -> Iterator[None]:
    try:
        yield
    except ObjectMissing:
        raise missing(f"{what} is not in the store") from None
    except ObjectPurged:
        raise DatasetPurged(f"{what} was purged") from None
    except ObjectChanged:
        raise DatasetHashMismatch(f"the stored bytes of {what} have changed") from None


def _moment(value: object) -> datetime:
    assert isinstance(value, datetime)
    return value.astimezone(UTC)


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value
