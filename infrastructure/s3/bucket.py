"""One bucket through botocore: create what is not there yet, read, look, delete.

botocore and not s3fs, though both send `If-None-Match: *` (tried against a server, small and multipart):
s3fs reads a file of up to 100 MB whole into memory, names no checksum of the parts that it sends, gives one
FileNotFoundError for a missing bucket and a missing key, and keeps listings that other processes make stale.
The synchronous client of botocore, which comes with s3fs, gives each request, its condition, checksum, time
limit and repetition into our hands, and may be used by several threads.

Requests are repeated by the client, with growing random pauses, when the service throttles (503 SlowDown),
fails (5xx), does not answer or cuts the connection. A repeated conditional write may find its own object:
who gets False from `create` looks at the bytes.
"""

import base64
import hashlib
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from infrastructure.s3.errors import (
    KeyAbsent,
    KeyTaken,
    StoreClientMissing,
    StoreNotReachable,
    WritersCollided,
    answered,
)

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
ATTEMPTS = 5
_CHUNK = 1 << 20
_DEFAULT_REGION = "us-east-1"


def s3_client(endpoint_url: str | None, *, attempts: int | None = None) -> Any:
    """A client with our limits; credentials, region and AWS_MAX_ATTEMPTS are found as all AWS clients find
    them.

    Raises StoreClientMissing.
    """
    try:
        from botocore.config import Config
        from botocore.session import get_session
    except ImportError:
        raise StoreClientMissing("store_url names S3, and botocore cannot be imported") from None
    session = get_session()
    attempts = attempts or session.get_config_variable("max_attempts") or ATTEMPTS
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=16,
        tcp_keepalive=True,
        request_checksum_calculation="when_required",  # we send SHA-256 ourselves
        response_checksum_validation="when_required",  # the name of an object is its checksum
        s3={"addressing_style": "path" if endpoint_url else "auto"},
    )
    region = session.get_config_variable("region") or _DEFAULT_REGION
    return session.create_client("s3", region_name=region, endpoint_url=endpoint_url, config=config)


class Bucket:
    """A bucket's objects by key. Every method may raise StoreNotReachable, StoreAccessRefused and
    StoreBucketMissing.
    """

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.name = name

    def create(self, key: str, content: bytes) -> bool:
        """Write an object; False if there is one under this key, which then stays as it is."""
        return created(lambda: self._put(key, content), self.name)

    def _put(self, key: str, content: bytes) -> None:
        self.client.put_object(
            Bucket=self.name, Key=key, Body=content, IfNoneMatch="*", **checksum_of(content)
        )

    def size(self, key: str) -> int | None:
        """An object's size in bytes; None if there is none."""
        try:
            with answered(self.name):
                return self.client.head_object(Bucket=self.name, Key=key)["ContentLength"]
        except KeyAbsent:
            return None

    def delete(self, key: str) -> None:
        """Delete an object; no matter if there is none."""
        with answered(self.name):
            self.client.delete_object(Bucket=self.name, Key=key)

    def chunks(self, key: str, *, attempts: int = 3) -> Iterator[bytes]:
        """An object's bytes in pieces of up to 1 MiB, going on where a connection broke. Raises KeyAbsent."""
        at = 0
        while True:
            body = self._body(key, at)
            try:
                with answered(self.name):
                    for piece in body.iter_chunks(_CHUNK):
                        at += len(piece)
                        yield piece
                return
            except StoreNotReachable:
                attempts -= 1
                if not attempts:
                    raise
            finally:
                body.close()

    def _body(self, key: str, at: int) -> Any:
        wanted = {"Range": f"bytes={at}-"} if at else {}
        with answered(self.name):
            return self.client.get_object(Bucket=self.name, Key=key, **wanted)["Body"]


def created(write: Callable[[], None], bucket: str, *, attempts: int = 5) -> bool:
    """Do a conditional write; False if it came second. One that collided with another is sent again."""
    for attempt in range(attempts):
        try:
            with answered(bucket):
                write()
            return True
        except KeyTaken:
            return False
        except WritersCollided:
            time.sleep(random.uniform(0.02, 0.05) * 2**attempt)  # noqa: S311 - no secret
    raise StoreNotReachable(f"bucket {bucket!r}: writes to one key kept colliding", bucket=bucket)


def checksum_of(content: bytes) -> dict[str, str]:
    """Arguments that make S3 refuse the content if it arrives changed."""
    return {
        "ChecksumAlgorithm": "SHA256",
        "ChecksumSHA256": base64.b64encode(hashlib.sha256(content).digest()).decode(),
    }
