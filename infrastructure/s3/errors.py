"""What an object store on S3 refuses or cannot do, and the one place that reads the client's exceptions."""

from collections.abc import Generator
from contextlib import contextmanager

from domain.shared.errors import Kind, RuleBroken


class StoreNotReachable(RuleBroken):
    """The S3 service did not answer, or answered with a fault of its own, also when it was asked again."""

    kind = Kind.UNAVAILABLE
    remedy = "Send it again shortly; if it stays, look at the S3 service and at OPTAIC_MLOPS_S3_ENDPOINT_URL."


class StoreAccessRefused(RuleBroken):
    """The S3 service did not accept the credentials, or they do not allow this."""

    kind = Kind.UNAVAILABLE
    remedy = "The process needs s3:GetObject, PutObject, DeleteObject, AbortMultipartUpload and ListBucket."


class StoreBucketMissing(RuleBroken):
    """There is no such bucket."""

    kind = Kind.UNAVAILABLE
    remedy = "Make the bucket, or name another in OPTAIC_MLOPS_STORE_URL."


class StoreConditionsIgnored(RuleBroken):
    """The S3 service overwrites an object although the write said that it must not be there."""

    kind = Kind.UNSUPPORTED
    remedy = "Use an S3 service that honours `If-None-Match: *`, as Amazon's does."


class StoreObjectChanged(RuleBroken):
    """Under this hash lie other bytes, and an object of the store is never overwritten."""

    kind = Kind.STATE
    remedy = "Find out who changed it, delete that one object by hand, and send the content again."


class StoreUploadChanged(RuleBroken):
    """The file changed while it was being uploaded; nothing was stored."""

    kind = Kind.STATE
    remedy = "Send it again once nobody writes to it."


class StoreClientMissing(RuleBroken):
    """The client of S3 is not installed."""

    kind = Kind.UNAVAILABLE
    remedy = "Install the extra: pip install 'optaic-mlops[s3]'."


class KeyAbsent(Exception):
    """There is no object under this key."""


class KeyTaken(Exception):
    """A conditional write came second."""


class WritersCollided(Exception):
    """Two writes to one key at the same moment; the service wants this one sent again."""


class UploadUnknown(Exception):
    """A multipart upload that is over: completed by a request whose answer was lost, or aborted."""


_MEANINGS: dict[str, type[Exception]] = {
    "NoSuchKey": KeyAbsent,
    "404": KeyAbsent,  # a HEAD has no body that could say more
    "PreconditionFailed": KeyTaken,
    "412": KeyTaken,
    "ConditionalRequestConflict": WritersCollided,
    "NoSuchUpload": UploadUnknown,
}
_REFUSED = (401, 403)


@contextmanager
def answered(bucket: str) -> Generator[None]:
    """Turn the client's exceptions into ours: KeyAbsent, KeyTaken, WritersCollided, UploadUnknown, or an
    error with a remedy.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        yield
    except ClientError as problem:
        raise _meaning(problem, bucket) from None
    except (NoCredentialsError, PartialCredentialsError) as problem:
        raise StoreAccessRefused(f"bucket {bucket!r}: {problem}", bucket=bucket) from None
    except BotoCoreError as problem:
        raise StoreNotReachable(f"bucket {bucket!r}: {problem}", bucket=bucket) from problem


def _meaning(problem: Exception, bucket: str) -> Exception:
    answer = getattr(problem, "response", {})
    code = str(answer.get("Error", {}).get("Code", ""))
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _MEANINGS:
        return _MEANINGS[code](str(problem))
    if code == "NoSuchBucket":
        return StoreBucketMissing(f"there is no bucket {bucket!r}", bucket=bucket)
    if status in _REFUSED:
        return StoreAccessRefused(f"bucket {bucket!r}: {problem}", bucket=bucket)
    return StoreNotReachable(f"bucket {bucket!r}: {problem}", bucket=bucket, status=status)
