"""What the store makes of answers that are no success."""

import pytest

from infrastructure.s3.bucket import Bucket, s3_client
from infrastructure.s3.errors import (
    StoreAccessRefused,
    StoreBucketMissing,
    StoreConditionsIgnored,
    StoreNotReachable,
)
from infrastructure.s3.probe import probe
from tests.s3.scripted_service import scripted
from tests.support.processes import free_port

SLOW_DOWN = (503, "SlowDown")
COLLIDED = (409, "ConditionalRequestConflict")


def bucket_of(service, attempts=3):
    return Bucket(s3_client(service.endpoint, attempts=attempts), "some-bucket")


@pytest.mark.parametrize("answer", [SLOW_DOWN, (500, "InternalError"), COLLIDED])
def test_a_write_is_sent_again_when_the_service_asks_for_it(answer):
    with scripted(answer) as service:
        assert bucket_of(service).create("key", b"content")
        assert [method for method, _ in service.requests] == ["PUT", "PUT"]


def test_a_repeated_write_that_finds_itself_does_not_count_as_created():
    with scripted((500, "InternalError"), (412, "PreconditionFailed")) as service:
        assert not bucket_of(service).create("key", b"content")


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([SLOW_DOWN] * 2, StoreNotReachable),
        ([COLLIDED] * 5, StoreNotReachable),
        ([(403, "AccessDenied")], StoreAccessRefused),
        ([(403, "InvalidAccessKeyId")], StoreAccessRefused),
        ([(404, "NoSuchBucket")], StoreBucketMissing),
    ],
)
def test_an_answer_that_stays_is_named(answers, error):
    with scripted(*answers) as service, pytest.raises(error) as refused:
        bucket_of(service, attempts=2).create("key", b"content")
    assert "some-bucket" in refused.value.detail


def test_a_service_that_overwrites_is_refused_at_start():
    with scripted() as service:
        with pytest.raises(StoreConditionsIgnored):
            probe(bucket_of(service), "prefix")
        assert [method for method, _ in service.requests] == ["PUT", "PUT", "DELETE"]


def test_a_process_without_credentials_is_told_so(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    bucket = Bucket(s3_client(f"http://127.0.0.1:{free_port()}", attempts=1), "some-bucket")
    with pytest.raises(StoreAccessRefused, match="credentials"):
        bucket.size("key")


def test_nobody_there_is_named():
    bucket = Bucket(s3_client(f"http://127.0.0.1:{free_port()}", attempts=2), "some-bucket")
    with pytest.raises(StoreNotReachable):
        bucket.size("key")
