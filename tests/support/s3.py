"""A real S3 server on loopback: moto's, as a child process.

What it enforces, tried request by request (moto 5.2): `If-None-Match: *` of PutObject and of
CompleteMultipartUpload answers 412 where the key is taken and leaves the object as it is; parts are unseen
before their upload is completed; parts but the last have 5 MiB or more; a missing bucket or key is named.

What it does not: it looks whether the key is there and then writes, without a lock between the two, so two
writers at the very same moment may both succeed; it keeps the SHA-256 that it is told and never compares it
with the bytes; it asks nobody for credentials; it never answers 409 ConditionalRequestConflict, 403 or 503
SlowDown: tests/s3/scripted_service.py answers those.
"""

import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infrastructure.s3.bucket import Bucket, s3_client
from tests.support.processes import ServerProcess, free_port, is_listening

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "tests",
    "AWS_MAX_ATTEMPTS": "2",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


class S3Server:
    """One moto server: its objects live in its memory and end with it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._process = ServerProcess(
            [
                str(Path(sys.executable).parent / "moto_server"),
                "-H",
                "127.0.0.1",
                "-p",
                str(self.port),
            ],
            folder / "moto.log",
        )

    @property
    def endpoint(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process.start(lambda: is_listening(self.port))

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A running server, ended at the end."""
    with tempfile.TemporaryDirectory() as folder:
        server = S3Server(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.kill()


def fresh_bucket(endpoint: str, *, attempts: int = 3) -> Bucket:
    """An empty bucket of its own; CREDENTIALS must be in the environment."""
    client = s3_client(endpoint, attempts=attempts)
    name = f"t-{secrets.token_hex(8)}"
    client.create_bucket(Bucket=name)
    return Bucket(client, name)


def tree(bucket: Bucket) -> dict[str, bytes]:
    """All objects of a bucket: key → bytes."""
    pages = bucket.client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name)
    keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
    return {key: b"".join(bucket.chunks(key)) for key in keys}


def overwrite(bucket: Bucket, key: str, content: bytes) -> None:
    """What the service never does: put other bytes under a key."""
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=content)


def open_uploads(bucket: Bucket) -> list[Any]:
    """Multipart uploads that were begun and neither completed nor aborted."""
    return bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])
