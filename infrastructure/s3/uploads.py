"""Large files go up in parts: one part in memory at a time, and nothing visible before all are there."""

import hashlib
from contextlib import suppress
from pathlib import Path

from domain.shared.errors import RuleBroken
from infrastructure import failpoints
from infrastructure.s3.bucket import Bucket, checksum_of, created
from infrastructure.s3.errors import StoreUploadChanged, UploadUnknown, answered

PART_BYTES = 16 << 20
MOST_PARTS = 10_000


def create_from_file(
    bucket: Bucket, key: str, path: Path, sha256: str, *, area: str, part_bytes: int = PART_BYTES
) -> bool:
    """Upload a file as an object that is not there yet; False if another came first. Its end is conditional.

    Parts of an upload that died stay unseen, and cost, until the bucket's lifecycle rule aborts them. Raises
    StoreUploadChanged if the file is no longer what `sha256` names.
    """
    with answered(bucket.name):
        begun = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key, ChecksumAlgorithm="SHA256")
    upload = {"Bucket": bucket.name, "Key": key, "UploadId": begun["UploadId"]}
    is_over = False
    try:
        parts = _parts(bucket, upload, path, sha256, area, part_bytes)
        failpoints.hit(f"{area}.before_rename")
        is_over = _completed(bucket, upload, parts)
    except UploadUnknown:
        return False  # completed by a request whose answer was lost, or aborted: the caller looks
    finally:
        if not is_over:
            with suppress(RuleBroken, UploadUnknown), answered(bucket.name):
                bucket.client.abort_multipart_upload(**upload)
    return is_over


def _parts(
    bucket: Bucket, upload: dict[str, str], path: Path, sha256: str, area: str, part_bytes: int
) -> list[dict[str, object]]:
    whole = hashlib.sha256()
    size = max(part_bytes, -(-path.stat().st_size // MOST_PARTS))
    parts: list[dict[str, object]] = []
    with path.open("rb") as file:
        while content := file.read(size):
            failpoints.hit(f"{area}.before_write")
            whole.update(content)
            number, checksum = len(parts) + 1, checksum_of(content)
            with answered(bucket.name):
                answer = bucket.client.upload_part(**upload, PartNumber=number, Body=content, **checksum)
            parts.append(
                {
                    "PartNumber": number,
                    "ETag": answer["ETag"],
                    "ChecksumSHA256": checksum["ChecksumSHA256"],
                }
            )
    if whole.hexdigest() != sha256:
        raise StoreUploadChanged(f"{path.name} changed during its upload")
    return parts


def _completed(bucket: Bucket, upload: dict[str, str], parts: list[dict[str, object]]) -> bool:
    def complete() -> None:
        bucket.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*")

    return created(complete, bucket.name)
