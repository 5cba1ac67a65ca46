"""Stores by their address: data folder, shared folder, S3; artifacts and versions of datasets in each."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from application.errors import (
    ArtifactHashMismatch,
    ArtifactMissing,
    ArtifactPurged,
    DatasetHashMismatch,
    DatasetManifestMissing,
    DatasetPurged,
)
from infrastructure.calendars import ExchangeSessions
from infrastructure.http.intake import Intake
from infrastructure.s3.errors import StoreBucketMissing, StoreNotReachable
from infrastructure.stores import StoreFolderUnusable, StoreUrlMalformed, open_stores
from tests.datasets.written_dataset import WrittenDataset, moment
from tests.support.processes import free_port
from tests.support.s3 import S3Server, fresh_bucket, overwrite, tree


def opened(url, endpoint, data):
    return open_stores(store_url=url, s3_endpoint_url=endpoint, data=data, zone_of=ExchangeSessions().zone)


@pytest.fixture(params=["data folder", "shared folder", "S3"])
def stores(request, tmp_path):
    """Artifact and dataset store in each of the places."""
    if request.param == "S3":
        endpoint = request.getfixturevalue("s3_endpoint")
        bucket = request.getfixturevalue("bucket")
        return opened(f"s3://{bucket.name}/a/b", endpoint, tmp_path / "data")
    (tmp_path / "shared").mkdir()
    url = (tmp_path / "shared").as_uri() if request.param == "shared folder" else None
    return opened(url, None, tmp_path / "data")


@pytest.fixture
def on_s3(s3_endpoint, bucket, tmp_path):
    return opened(f"s3://{bucket.name}/a/b", s3_endpoint, tmp_path / "data")


def written(store, folder):
    """Three versions: rows, a revision, a tombstone."""
    dataset = WrittenDataset(folder)
    dataset.store = store
    dataset.write([(e, f"2024-01-0{d}", f"2024-01-0{d} 21:00", d * 1.0) for e in "AB" for d in (2, 3, 4)])
    dataset.write([("A", "2024-01-03", "2024-01-08 21:00", 30.0)])
    dataset.write([("B", "2024-01-04", "2024-01-09 21:00", "D", None)])
    return dataset


# --- the same in every place ---


def test_artifacts_are_kept_checked_purged_and_brought_back(stores):
    artifacts, _ = stores
    sha256 = artifacts.put(b"model")
    assert artifacts.get(sha256) == artifacts.checked_path(sha256).read_bytes() == b"model"
    artifacts.purge(sha256)
    for ask in (artifacts.get, artifacts.checked_path):
        with pytest.raises(ArtifactPurged):
            ask(sha256)
    assert artifacts.put(b"model") == sha256
    assert artifacts.get(sha256) == b"model"
    with pytest.raises(ArtifactMissing):
        artifacts.get("0" * 64)


def test_a_refused_upload_takes_no_equal_bytes_from_another_process(stores, tmp_path):
    """Two servers take equal uploads; one command is refused after the other was accepted."""
    artifacts, _ = stores
    upload = tmp_path / "upload"
    upload.write_bytes(b"model")

    def refused():
        with Intake(artifacts).tentative(upload, keep=True) as sha256:
            Intake(artifacts).keep(upload)
            raise ArtifactMissing("the command names another artifact", sha256=sha256)

    with pytest.raises(ArtifactMissing) as refusal:
        refused()
    assert artifacts.get(refusal.value.facts["sha256"]) == b"model"


def test_a_dataset_is_written_read_as_of_a_moment_compacted_and_purged(stores, tmp_path):
    _, datasets = stores
    dataset = written(datasets, tmp_path)
    first = [("01-02", 2.0), ("01-02", 2.0), ("01-03", 3.0), ("01-03", 3.0), ("01-04", 4.0), ("01-04", 4.0)]
    assert dataset.values("2024-01-03") == first[:2]  # the third's is known from 21:00 of its day
    assert dataset.values("2024-01-08") == first
    assert dataset.values("2024-01-10", version=1) == first
    newest = [*first[:2], ("01-03", 30.0), first[3], first[4]]
    assert dataset.values("2024-01-10") == newest
    files, row_hash, manifest = datasets.compact(dataset.facts.manifest_sha256)
    assert row_hash == dataset.facts.row_hash
    for as_of in ("2024-01-03", "2024-01-08", "2024-01-10"):
        assert datasets.read(manifest, moment(as_of)).equals(dataset.read(as_of))
    assert datasets.verify(manifest) == []
    datasets.purge(files)
    datasets.purge(files)
    with pytest.raises(DatasetPurged):
        datasets.read(manifest, None)
    assert dataset.values("2024-01-10") == newest  # its own files are other objects
    with pytest.raises(DatasetManifestMissing):
        datasets.read("0" * 64, None)


# --- S3 ---


def test_the_tree_of_a_folder_and_of_a_bucket_are_the_same_bytes(bucket, on_s3, tmp_path):
    """Everything that decides the bytes is given: so one tree is the other's copy."""
    in_folder = opened(None, None, tmp_path / "embedded")
    for artifacts, datasets in (on_s3, in_folder):
        artifacts.put(b"model")
        artifacts.purge(artifacts.put(b"purged"))
        written(datasets, tmp_path)
    root = tmp_path / "embedded"
    there = {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }
    assert {key.removeprefix("a/b/"): content for key, content in tree(bucket).items()} == there


def test_a_data_folder_moves_into_a_bucket_and_a_bucket_into_a_shared_folder(bucket, s3_endpoint, tmp_path):
    artifacts, datasets = opened(None, None, tmp_path / "embedded")
    sha256 = artifacts.put(b"model")
    dataset = written(datasets, tmp_path)
    expected = dataset.read("2024-01-10")
    for path in (tmp_path / "embedded").rglob("*"):
        if path.is_file():
            bucket.create(path.relative_to(tmp_path / "embedded").as_posix(), path.read_bytes())
    artifacts, dataset.store = opened(f"s3://{bucket.name}", s3_endpoint, tmp_path / "data")
    assert artifacts.get(sha256) == b"model"
    assert dataset.read("2024-01-10").equals(expected)
    dataset.write([("C", "2024-01-09", "2024-01-10 21:00", 1.0)])
    shutil.rmtree(tmp_path / "embedded")
    for key, content in tree(bucket).items():
        path = tmp_path / "shared" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    artifacts, dataset.store = opened((tmp_path / "shared").as_uri(), None, tmp_path / "data")
    assert artifacts.get(sha256) == b"model"
    assert dataset.read("2024-01-10", version=3).equals(expected)
    assert dataset.store.verify(dataset.facts.manifest_sha256) == []


def test_a_changed_byte_in_the_bucket_stops_every_read_that_needs_it(bucket, on_s3, tmp_path):
    """G11 on S3: files of rows and the manifest, flip after flip, each between two good reads."""
    dataset = written(on_s3[1], tmp_path)
    manifest = dataset.facts.manifest_sha256
    late = datetime(2100, 1, 1, tzinfo=UTC)
    reads = (
        lambda: on_s3[1].read(manifest, None),
        lambda: on_s3[1].read_revisions(manifest, late),
        lambda: on_s3[1].compact(manifest),
    )
    needed = {
        key: content
        for key, content in tree(bucket).items()
        if content[:4] == b"PAR1" or key.replace("/", "").endswith(manifest)
    }
    assert len(needed) == 4
    expected = dataset.read(None)
    for key, content in needed.items():
        for number, offset in enumerate(range(0, len(content), max(1, len(content) // 6))):
            changed = bytearray(content)
            changed[offset] ^= 1
            overwrite(bucket, key, bytes(changed))
            with pytest.raises(DatasetHashMismatch):
                reads[number % 3]()
            assert on_s3[1].verify(manifest) != []
        overwrite(bucket, key, content)
        assert dataset.read(None).equals(expected)


def test_a_changed_byte_of_an_artifact_in_the_bucket_is_refused(bucket, on_s3):
    sha256 = on_s3[0].put(b"model")
    overwrite(bucket, f"a/b/artifacts/objects/{sha256[:2]}/{sha256[2:]}", b"mOdel")
    for ask in (on_s3[0].get, on_s3[0].checked_path):
        with pytest.raises(ArtifactHashMismatch):
            ask(sha256)


def test_a_service_that_was_killed_is_named_and_used_again_when_it_is_back(tmp_path, credentials):
    server = S3Server(tmp_path)
    try:
        server.start()
        bucket = fresh_bucket(server.endpoint)
        artifacts, _ = opened(f"s3://{bucket.name}", server.endpoint, tmp_path / "data")
        sha256 = artifacts.put(b"model")
        server.kill()
        with pytest.raises(StoreNotReachable):
            artifacts.get(sha256)
        server.start()
        with pytest.raises(StoreBucketMissing):  # this server's memory ended with it
            artifacts.put(b"model")
        bucket.client.create_bucket(Bucket=bucket.name)
        assert artifacts.get(artifacts.put(b"model")) == b"model"
    finally:
        server.kill()


# --- addresses ---


@pytest.mark.parametrize(
    "url",
    [
        "",
        "folder",
        "/folder",
        "gs://bucket",
        "http://127.0.0.1/bucket",
        "file://host/folder",
        "file:folder",
        "file:///",
        "file:///a/../b",
        "s3://",
        "s3:///prefix",
        "s3:bucket",
        "s3://B",
        "s3://bucket:80/prefix",
        "s3://bucket/a//b",
        "s3://bucket/../b",
        "s3://bucket/a?x=1",
        "s3://[bucket",
    ],
)
def test_an_address_that_is_none_is_refused(url, tmp_path):
    with pytest.raises(StoreUrlMalformed):
        opened(url, None, tmp_path)


def test_a_key_in_an_address_is_refused_and_not_repeated(tmp_path):
    with pytest.raises(StoreUrlMalformed) as refused:
        opened("s3://AKIAKEY:hidden@bucket/prefix", None, tmp_path)
    assert "hidden" not in str(refused.value) + str(refused.value.facts)
    assert "AKIAKEY" not in str(refused.value)


def test_a_shared_folder_that_is_not_mounted_is_refused_at_start(tmp_path):
    with pytest.raises(StoreFolderUnusable):
        opened((tmp_path / "none").as_uri(), None, tmp_path)
    assert not (tmp_path / "none").exists()


def test_a_missing_bucket_and_a_service_that_is_away_are_found_at_start(s3_endpoint, tmp_path):
    with pytest.raises(StoreBucketMissing):
        opened("s3://no-such-bucket/a", s3_endpoint, tmp_path)
    with pytest.raises(StoreNotReachable):
        opened("s3://no-such-bucket/a", f"http://127.0.0.1:{free_port()}", tmp_path)


def test_a_start_leaves_nothing_in_the_bucket(bucket, on_s3):
    assert tree(bucket) == {}


def test_the_clients_of_s3_are_not_imported_for_a_folder(tmp_path):
    code = (
        "import sys; from pathlib import Path; from infrastructure.stores import open_stores\n"
        f"data = Path({str(tmp_path)!r})\n"
        "open_stores(store_url=None, s3_endpoint_url=None, data=data, zone_of=lambda _: None)\n"
        "print([name for name in ('botocore', 's3fs', 'fsspec', 'aiobotocore') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert ran.stdout.decode().strip() == "[]"
