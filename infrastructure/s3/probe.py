"""Finds out at start, not at the first upload, whether a bucket can be used as a store."""

import secrets

from infrastructure.s3.bucket import Bucket
from infrastructure.s3.errors import StoreConditionsIgnored


def probe(bucket: Bucket, prefix: str) -> None:
    """Write, write again, look and delete a small object.

    Raises StoreBucketMissing, StoreAccessRefused, StoreNotReachable, or StoreConditionsIgnored if the service
    would overwrite.
    """
    key = "/".join(filter(None, (prefix, "probe", secrets.token_hex(16))))
    bucket.create(key, b"first")
    try:
        is_overwritten = bucket.create(key, b"second") or bucket.size(key) != len(b"first")
    finally:
        bucket.delete(key)
    if is_overwritten:
        raise StoreConditionsIgnored(f"bucket {bucket.name!r} let an object be overwritten")
