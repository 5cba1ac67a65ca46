"""A moto server for the run of these tests, a bucket for each of them."""

import pytest

from infrastructure.s3.bucket import Bucket
from infrastructure.s3.local_copies import LocalCopies
from infrastructure.s3.objects import S3Objects
from tests.support.s3 import CREDENTIALS, fresh_bucket, s3_server

PART = 5 << 20


@pytest.fixture(scope="session")
def s3_endpoint():
    """The address of a running S3 server."""
    with s3_server() as server:
        yield server.endpoint


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    """What a process of ours finds in its environment; nothing of who runs the tests."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bucket(s3_endpoint, credentials) -> Bucket:
    return fresh_bucket(s3_endpoint)


@pytest.fixture
def s3_objects(bucket, tmp_path) -> S3Objects:
    return S3Objects(bucket, "some/prefix", "artifact", LocalCopies(tmp_path / "copies"), part_bytes=PART)
