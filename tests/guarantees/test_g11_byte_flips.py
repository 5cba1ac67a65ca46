"""G11: a changed artifact is never loaded and a changed row never read, whatever the file's times say."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from application.errors import ArtifactHashMismatch, ArtifactMissing, DatasetHashMismatch
from infrastructure.artifacts.store import FolderArtifactStore
from tests.datasets.written_dataset import WrittenDataset

LATE = datetime(2100, 1, 1, tzinfo=UTC)


def flip(path: Path, offset: int) -> None:
    """Change one byte and leave size, mode and modification time as they were."""
    before = path.stat()
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x01
    path.write_bytes(bytes(content))
    path.chmod(before.st_mode & 0o777)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def objects(root: Path) -> list[Path]:
    return sorted(path for path in (root / "objects").rglob("*") if path.is_file())


@pytest.fixture
def dataset(tmp_path):
    written = WrittenDataset(tmp_path)
    written.write(
        [("A", "2024-01-02", "2024-01-02 21:00", 1.0), ("B", "2024-01-02", "2024-01-02 21:00", 2.0)]
    )
    written.write([("A", "2024-01-02", "2024-01-03 21:00", 3.0)])
    return written


def test_any_changed_byte_of_an_artifact_is_refused(tmp_path):
    store = FolderArtifactStore(tmp_path)
    sha256 = store.put(b"a small model" * 8)
    (path,) = objects(tmp_path)
    for offset in range(path.stat().st_size):
        assert store.get(sha256)
        flip(path, offset)
        for load in (store.get, store.checked_path):
            with pytest.raises(ArtifactHashMismatch):
                load(sha256)
        flip(path, offset)


def test_a_shortened_lengthened_or_swapped_artifact_is_refused(tmp_path):
    store = FolderArtifactStore(tmp_path)
    one, other = store.put(b"one"), store.put(b"other")
    place = {sha256: tmp_path / "objects" / sha256[:2] / sha256[2:] for sha256 in (one, other)}
    for content in (b"", b"on", b"one1", place[other].read_bytes()):
        place[one].chmod(0o644)
        place[one].write_bytes(content)
        with pytest.raises(ArtifactHashMismatch):
            store.get(one)
    place[one].unlink()
    with pytest.raises(ArtifactMissing):
        store.get(one)


def test_any_changed_byte_of_a_version_stops_every_read_that_needs_it(dataset):
    """Files of rows and the manifest, byte by byte, each flip between two reads of one process."""
    manifest = dataset.facts.manifest_sha256
    reads = (
        lambda: dataset.store.read(manifest, None),
        lambda: dataset.store.read_revisions(manifest, LATE),
        lambda: dataset.store.compact(manifest),
    )
    entries = dataset.folder / "store" / "objects"
    needed = [path for path in objects(dataset.folder / "store") if is_read(path, dataset, entries)]
    assert len(needed) == 3
    for path in needed:
        size = path.stat().st_size
        for number, offset in enumerate(range(0, size, max(1, size // 60))):
            expected = dataset.read(None)
            flip(path, offset)
            with pytest.raises(DatasetHashMismatch):
                reads[number % 3]()
            assert dataset.store.verify(manifest) != []
            flip(path, offset)
            assert dataset.read(None).equals(expected)


def is_read(path: Path, dataset: WrittenDataset, entries: Path) -> bool:
    """Rows of both versions and the newest manifest; the first manifest and the entity list are not needed to
    read.
    """
    newest = dataset.facts.manifest_sha256
    return path == entries / newest[:2] / newest[2:] or path.read_bytes()[:4] == b"PAR1"


def test_a_changed_entity_list_is_found_by_writes_and_verification(dataset):
    (path,) = [path for path in objects(dataset.folder / "store") if path.read_bytes()[:1] == b"["]
    flip(path, 2)
    assert dataset.store.verify(dataset.facts.manifest_sha256) != []
    with pytest.raises(DatasetHashMismatch):
        dataset.write([("C", "2024-01-04", "2024-01-04 21:00", 1.0)])


def test_a_write_over_changed_rows_is_refused(dataset):
    for path in objects(dataset.folder / "store"):
        if path.read_bytes()[:4] == b"PAR1":
            flip(path, 40)
    with pytest.raises(DatasetHashMismatch):
        dataset.write([("A", "2024-01-02", "2024-01-05 21:00", 9.0)])
