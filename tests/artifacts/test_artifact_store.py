"""The artifact store: whole objects, checked at every read."""

import fcntl
import hashlib
import os
import stat
from pathlib import Path

import pytest

from application.errors import ArtifactHashMismatch, ArtifactMissing, ArtifactPurged
from infrastructure.artifacts.store import FolderArtifactStore

CONTENT = b"model bytes"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path):
    return FolderArtifactStore(tmp_path / "store")


def object_path(tmp_path: Path, sha256: str = SHA256) -> Path:
    return tmp_path / "store" / "objects" / sha256[:2] / sha256[2:]


def test_bytes_come_back_under_their_hash(store):
    assert store.put(CONTENT) == SHA256
    assert store.get(SHA256) == CONTENT
    assert store.checked_path(SHA256).read_bytes() == CONTENT
    assert store.has(SHA256)


def test_a_file_is_copied_and_stays_where_it_is(store, tmp_path):
    source = tmp_path / "model.json"
    source.write_bytes(CONTENT * 500_000)
    sha256 = store.put_file(source)
    assert source.exists()
    assert store.get(sha256) == CONTENT * 500_000


def test_storing_twice_is_one_read_only_object(store, tmp_path):
    assert store.put(CONTENT) == store.put(CONTENT)
    objects = [path for path in (tmp_path / "store" / "objects").rglob("*") if path.is_file()]
    assert objects == [object_path(tmp_path)]
    assert stat.S_IMODE(objects[0].stat().st_mode) == 0o444
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", ["0" * 64, "", "../../secret", SHA256.upper(), SHA256 + "0"])
def test_what_was_never_stored_is_missing(store, name):
    store.put(CONTENT)
    for ask in (store.get, store.checked_path, store.purge):
        with pytest.raises(ArtifactMissing):
            ask(name)
    assert not store.has(name)


def test_purged_bytes_are_gone_and_say_so(store, tmp_path):
    store.put(CONTENT)
    store.purge(SHA256)
    store.purge(SHA256)
    assert not object_path(tmp_path).exists()
    assert not store.has(SHA256)
    for ask in (store.get, store.checked_path):
        with pytest.raises(ArtifactPurged):
            ask(SHA256)


def test_storing_purged_bytes_again_brings_them_back(store):
    store.put(CONTENT)
    store.purge(SHA256)
    assert store.put(CONTENT) == SHA256
    assert store.get(SHA256) == CONTENT


def test_storing_the_right_bytes_again_heals_a_changed_object(store, tmp_path):
    store.put(CONTENT)
    path = object_path(tmp_path)
    path.chmod(0o644)
    path.write_bytes(b"other bytes")
    with pytest.raises(ArtifactHashMismatch):
        store.get(SHA256)
    store.put(CONTENT)
    assert store.get(SHA256) == CONTENT


def test_leftovers_of_dead_writers_are_swept_and_live_ones_stay(tmp_path):
    store = FolderArtifactStore(tmp_path / "store")
    scratch = tmp_path / "store" / "tmp"
    (scratch / "1-dead").write_bytes(b"half")
    with (scratch / "2-live").open("wb") as live:
        fcntl.flock(live, fcntl.LOCK_EX)
        FolderArtifactStore(tmp_path / "store")
        assert [path.name for path in scratch.iterdir()] == ["2-live"]
    assert store.put(CONTENT) == SHA256


def test_a_failed_write_leaves_nothing(store, tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.put(CONTENT)
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []
