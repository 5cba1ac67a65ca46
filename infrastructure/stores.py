"""Where artifacts and datasets lie: the data folder, a shared folder or S3, in one layout.

`<root>/artifacts/objects/…` and `<root>/datasets/objects/…`: copying the one tree to the other place moves a
store. The clients of S3 are imported only when the settings name S3.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import ZoneInfo

from domain.shared.errors import Kind, RuleBroken
from infrastructure.artifacts.objects import ObjectFolder, Objects
from infrastructure.artifacts.store import AREA as ARTIFACT
from infrastructure.artifacts.store import StoredArtifacts
from infrastructure.datasets.store import AREA as DATASET
from infrastructure.datasets.store import StoredDatasets

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_FOLDERS = {ARTIFACT: "artifacts", DATASET: "datasets"}

Open = Callable[[str], Objects]
"""Opens the objects of an area, `artifact` or `dataset`."""


class StoreUrlMalformed(RuleBroken, resource="store_url"):
    """The address of the store is neither `file:///folder` nor `s3://bucket/prefix`."""

    kind = Kind.MALFORMED
    remedy = (
        "Correct OPTAIC_MLOPS_STORE_URL; credentials never belong in it. Without it the data folder is used."
    )


class StoreFolderUnusable(RuleBroken):
    """The folder of the store is not there, or this process may not write to it."""

    kind = Kind.UNAVAILABLE
    remedy = "Mount it, or make it, with the rights of the service's user; it is not made for you."


def open_stores(
    *,
    store_url: str | None,
    s3_endpoint_url: str | None,
    data: Path,
    zone_of: Callable[[str], ZoneInfo],
    locations: Mapping[str, Path] | None = None,
) -> tuple[StoredArtifacts, StoredDatasets]:
    """Open the artifact and the dataset store as several processes share them.

    Raises StoreUrlMalformed, StoreFolderUnusable; for S3 StoreClientMissing, StoreBucketMissing,
    StoreAccessRefused, StoreNotReachable, StoreConditionsIgnored.
    """
    opened = _opener(store_url, s3_endpoint_url, data)
    artifacts = StoredArtifacts(opened(ARTIFACT), is_shared=True)
    return artifacts, StoredDatasets(opened(DATASET), zone_of=zone_of, locations=locations)


def make_store_folder(store_url: str | None) -> None:
    """Make the folder of a `file://` store; other stores are there, or are made by who keeps them.

    Raises StoreUrlMalformed, StoreFolderUnusable.
    """
    url = urlsplit(store_url or "")
    if url.scheme == "file":
        path = _folder_path(url)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise StoreFolderUnusable(f"{path}: {problem.strerror}", folder=str(path)) from None


def _opener(store_url: str | None, endpoint_url: str | None, data: Path) -> Open:
    if store_url is None:
        return lambda area: ObjectFolder(data / _FOLDERS[area], area)
    try:
        url = urlsplit(store_url)
    except ValueError:
        raise StoreUrlMalformed("the store's address is no URL") from None
    if url.scheme == "file":
        return _folders(_shared_folder(url))
    if url.scheme == "s3":
        return _on_s3(*_bucket_and_prefix(url), endpoint_url, data)
    raise StoreUrlMalformed(f"a store cannot have an address with the scheme {url.scheme!r}")


def _shared_folder(url: SplitResult) -> Path:
    path = _folder_path(url)
    if not path.is_dir():
        raise StoreFolderUnusable(f"there is no folder {path}", folder=str(path))
    return path


def _folder_path(url: SplitResult) -> Path:
    path = Path(unquote(url.path))
    if url.netloc not in ("", "localhost") or url.query or url.fragment or path == Path("/"):
        raise StoreUrlMalformed("a folder's address is file:///and/its/path, with three slashes")
    if not path.is_absolute() or ".." in path.parts:
        raise StoreUrlMalformed("a folder's address holds a whole path, without '..'")
    return path


def _folders(root: Path) -> Open:
    def opened(area: str) -> Objects:
        try:
            return ObjectFolder(root / _FOLDERS[area], area)
        except OSError as problem:
            raise StoreFolderUnusable(f"{root}: {problem.strerror}", folder=str(root)) from None

    return opened


def _bucket_and_prefix(url: SplitResult) -> tuple[str, str]:
    if not _BUCKET.fullmatch(
        url.netloc
    ):  # not repeated: who writes a key into an address shall not see it logged
        raise StoreUrlMalformed("the address of a store on S3 is s3://bucket or s3://bucket/prefix")
    prefix = url.path.strip("/")
    if url.query or url.fragment or any(part in ("", ".", "..") for part in prefix.split("/") if prefix):
        raise StoreUrlMalformed(f"{url.path!r} is not a plain prefix")
    return url.netloc, prefix


def _on_s3(name: str, prefix: str, endpoint_url: str | None, data: Path) -> Open:
    from infrastructure.s3.bucket import Bucket, s3_client
    from infrastructure.s3.local_copies import LocalCopies
    from infrastructure.s3.objects import S3Objects
    from infrastructure.s3.probe import probe

    bucket = Bucket(s3_client(endpoint_url), name)
    probe(bucket, prefix)
    copies = LocalCopies(data / "store-copies")
    return lambda area: S3Objects(bucket, "/".join(filter(None, (prefix, _FOLDERS[area]))), area, copies)
