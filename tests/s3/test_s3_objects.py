"""Objects on a real S3 server process: the contract, and what a bucket makes possible to go wrong.

See tests/support/s3.py for what the server enforces and what it does not.
"""

import hashlib
import os
import signal
import subprocess
import sys

import pytest

from infrastructure import failpoints
from infrastructure.artifacts.objects import ObjectFolder
from infrastructure.s3.bucket import Bucket, s3_client
from infrastructure.s3.errors import KeyAbsent, StoreNotReachable, StoreObjectChanged, StoreUploadChanged
from infrastructure.s3.local_copies import LocalCopies
from infrastructure.s3.objects import S3Objects
from infrastructure.s3.uploads import create_from_file
from tests.artifacts.objects_contract import CONTENT, PLACE, SHA256, ObjectsContract
from tests.s3.conftest import PART
from tests.support.fault_proxy import FaultProxy
from tests.support.s3 import open_uploads, overwrite, tree

LARGE = bytes(range(256)) * 44_000
LARGE_SHA256 = hashlib.sha256(LARGE).hexdigest()
LARGE_PLACE = f"objects/{LARGE_SHA256[:2]}/{LARGE_SHA256[2:]}"
CHILD = """
import sys
from pathlib import Path
from infrastructure.s3.bucket import Bucket, s3_client
from infrastructure.s3.local_copies import LocalCopies
from infrastructure.s3.objects import S3Objects
endpoint, bucket, folder, source = sys.argv[1:]
objects = S3Objects(Bucket(s3_client(endpoint), bucket), "some/prefix", "artifact",
                    LocalCopies(Path(folder)), part_bytes=5 << 20)
print(objects.put_file(Path(source)))
"""


class TestS3Objects(ObjectsContract):
    @pytest.fixture
    def objects(self, s3_objects):
        return s3_objects

    @pytest.fixture
    def tree(self, bucket):
        return lambda: {key.removeprefix("some/prefix/"): content for key, content in tree(bucket).items()}

    @pytest.fixture
    def damage(self, bucket, tmp_path):
        def put(place, content):
            overwrite(bucket, f"some/prefix/{place}", content)
            (tmp_path / "copies" / place).unlink(missing_ok=True)

        return put


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    return path


# --- never overwritten ---


def test_a_second_writer_under_an_equal_key_changes_nothing(bucket):
    assert bucket.create("key", b"first")
    assert not bucket.create("key", b"second")
    assert tree(bucket) == {"key": b"first"}


def test_a_second_upload_in_parts_under_an_equal_key_changes_nothing(bucket, source):
    bucket.create("key", b"first")
    assert not create_from_file(bucket, "key", source, LARGE_SHA256, area="artifact", part_bytes=PART)
    assert tree(bucket) == {"key": b"first"}
    assert open_uploads(bucket) == []


@pytest.mark.parametrize("put", ["put", "put_file"])
def test_a_write_over_other_bytes_is_refused_and_leaves_them(s3_objects, bucket, source, put):
    overwrite(bucket, f"some/prefix/{LARGE_PLACE}", b"other bytes")
    with pytest.raises(StoreObjectChanged, match=LARGE_SHA256):
        s3_objects.put(LARGE) if put == "put" else s3_objects.put_file(source)
    assert tree(bucket) == {f"some/prefix/{LARGE_PLACE}": b"other bytes"}


def test_processes_that_store_equal_content_at_once_make_one_object(s3_endpoint, bucket, tmp_path, source):
    started = [start(s3_endpoint, bucket, tmp_path / f"{number}", source) for number in range(3)]
    outputs = [child.communicate(timeout=60) for child in started]
    assert [out.decode().strip() for out, _ in outputs] == [LARGE_SHA256] * 3, outputs
    assert tree(bucket) == {f"some/prefix/{LARGE_PLACE}": LARGE}
    assert open_uploads(bucket) == []


# --- writers that die, files that change ---


@pytest.mark.parametrize("point", ["before_write=kill@1", "before_write=kill@3", "before_rename=kill"])
def test_a_writer_killed_in_the_middle_leaves_no_visible_object(
    s3_endpoint, s3_objects, bucket, tmp_path, source, point
):
    child = start(s3_endpoint, bucket, tmp_path / "other", source, failpoint=f"artifact.{point}")
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert tree(bucket) == {}
    assert not s3_objects.has(LARGE_SHA256)
    assert len(open_uploads(bucket)) == 1  # for the bucket's lifecycle rule
    assert s3_objects.put_file(source) == LARGE_SHA256
    assert s3_objects.get(LARGE_SHA256) == LARGE


def test_a_writer_killed_behind_the_last_request_has_stored_it(
    s3_endpoint, s3_objects, bucket, tmp_path, source
):
    child = start(s3_endpoint, bucket, tmp_path / "other", source, failpoint="artifact.after_rename=kill")
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert s3_objects.get(LARGE_SHA256) == LARGE


def test_a_file_that_changes_during_its_upload_is_refused(bucket, source):
    with pytest.raises(StoreUploadChanged):
        create_from_file(bucket, "key", source, SHA256, area="artifact", part_bytes=PART)
    assert tree(bucket) == {}
    assert open_uploads(bucket) == []


def test_a_purge_that_died_behind_its_mark_reads_as_purged_and_can_be_finished(s3_objects, bucket):
    s3_objects.put(CONTENT)
    bucket.create(f"some/prefix/purged/{SHA256}", b"")
    assert not s3_objects.has(SHA256)
    s3_objects.purge(SHA256)
    assert tree(bucket) == {f"some/prefix/purged/{SHA256}": b""}


# --- copies on this machine ---


def test_a_damaged_copy_is_fetched_again(s3_objects):
    s3_objects.put(CONTENT)
    path = s3_objects.checked_path(SHA256)
    path.chmod(0o644)
    path.write_bytes(b"other bytes")
    assert s3_objects.checked_path(SHA256).read_bytes() == CONTENT


def test_what_another_process_purged_is_not_served_from_a_copy(s3_objects, bucket, tmp_path):
    s3_objects.put(CONTENT)
    s3_objects.checked_path(SHA256)
    other = S3Objects(bucket, "some/prefix", "artifact", LocalCopies(tmp_path / "other"))
    other.purge(SHA256)
    assert not s3_objects.has(SHA256)


def test_copies_stay_within_their_bound_and_the_last_used_stay(bucket, tmp_path):
    copies = LocalCopies(tmp_path / "copies", bytes_max=250, in_use_s=0)
    objects = S3Objects(bucket, "", "artifact", copies)
    names = [objects.put(bytes([number]) * 100) for number in range(4)]
    for used_at, name in enumerate(names):
        os.utime(objects.checked_path(name), (used_at, used_at))
    held = {path.parent.name + path.name for path in (tmp_path / "copies" / "objects").glob("*/*")}
    assert held == set(names[2:])


def test_what_was_just_handed_out_is_not_taken_away(bucket, tmp_path):
    objects = S3Objects(bucket, "", "artifact", LocalCopies(tmp_path / "copies", bytes_max=1))
    paths = [objects.checked_path(objects.put(bytes([number]) * 100)) for number in range(3)]
    assert all(path.is_file() for path in paths)


# --- the network ---


def test_a_store_that_is_away_is_named_and_found_again(s3_endpoint, bucket, tmp_path):
    with FaultProxy(int(s3_endpoint.rpartition(":")[2])) as proxy:
        client = s3_client(f"http://127.0.0.1:{proxy.port}", attempts=2)
        objects = S3Objects(Bucket(client, bucket.name), "", "artifact", LocalCopies(tmp_path / "copies"))
        objects.put(CONTENT)
        proxy.cut()
        for ask in (objects.get, objects.checked_path, objects.has, objects.purge, objects.discard):
            with pytest.raises(StoreNotReachable):
                ask(SHA256)
        with pytest.raises(StoreNotReachable):
            objects.put(b"more")
        proxy.heal()
        assert objects.get(SHA256) == CONTENT
        assert objects.get(objects.put(b"more")) == b"more"


def test_an_upload_that_loses_the_network_can_be_sent_again(s3_endpoint, bucket, tmp_path, source):
    with FaultProxy(int(s3_endpoint.rpartition(":")[2])) as proxy:
        client = s3_client(f"http://127.0.0.1:{proxy.port}", attempts=1)
        objects = S3Objects(
            Bucket(client, bucket.name), "", "artifact", LocalCopies(tmp_path / "copies"), part_bytes=PART
        )
        client.meta.events.register("before-send.s3.UploadPart", lambda **_: proxy.cut())
        with pytest.raises(StoreNotReachable):
            objects.put_file(source)
        client.meta.events.unregister("before-send.s3.UploadPart")
        assert tree(bucket) == {}
        proxy.heal()
        clean = s3_client(f"http://127.0.0.1:{proxy.port}")
        again = S3Objects(Bucket(clean, bucket.name), "", "artifact", LocalCopies(tmp_path / "copies"))
        assert again.get(again.put_file(source)) == LARGE


def test_a_read_goes_on_where_its_connection_broke(s3_endpoint, bucket, source):
    with FaultProxy(int(s3_endpoint.rpartition(":")[2])) as proxy:
        bucket.create("key", LARGE)
        through = Bucket(s3_client(f"http://127.0.0.1:{proxy.port}"), bucket.name)
        pieces = through.chunks("key")
        first = next(pieces)
        proxy.cut()
        proxy.heal()
        assert first + b"".join(pieces) == LARGE
        assert proxy.connections == 2


def test_a_missing_key_is_absent(bucket):
    with pytest.raises(KeyAbsent):
        next(bucket.chunks("none"))
    assert bucket.size("none") is None
    bucket.delete("none")


# --- one layout ---


def test_a_folder_copied_into_a_bucket_is_a_store(s3_objects, bucket, tmp_path):
    folder = ObjectFolder(tmp_path / "folder", "artifact")
    kept, purged = folder.put(CONTENT), folder.put(b"purged")
    folder.purge(purged)
    for path in (tmp_path / "folder").rglob("*"):
        if path.is_file():
            bucket.create(
                f"some/prefix/{path.relative_to(tmp_path / 'folder').as_posix()}", path.read_bytes()
            )
    assert s3_objects.get(kept) == CONTENT
    assert not s3_objects.has(purged)
    assert list(tree(bucket)) == [f"some/prefix/{PLACE}", f"some/prefix/purged/{purged}"]


def test_a_bucket_copied_into_a_folder_is_a_store(s3_objects, bucket, tmp_path):
    kept, purged = s3_objects.put(CONTENT), s3_objects.put(b"purged")
    s3_objects.purge(purged)
    for key, content in tree(bucket).items():
        path = tmp_path / "folder" / key.removeprefix("some/prefix/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    folder = ObjectFolder(tmp_path / "folder", "artifact")
    assert folder.get(kept) == CONTENT
    assert not folder.has(purged)


def start(endpoint, bucket, folder, source, failpoint=""):
    """Another process that stores the file."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, endpoint, bucket.name, str(folder), str(source)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {failpoints.VARIABLE: failpoint},
    )
