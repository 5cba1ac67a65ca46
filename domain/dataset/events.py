"""What can happen to a dataset. Versions live in their dataset's stream."""

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from domain.dataset.declaration import Coverage, DataFile, Declaration
from domain.shared.activity import Event
from domain.shared.ids import Name, Sha256


class DatasetCreated(Event, frozen=True, kw_only=True):
    """A dataset exists; `prediction` datasets are created with their instance."""

    ACTIONS: ClassVar = ("dataset.created",)
    name: Name
    kind: Literal["source", "prediction"]
    declaration: Declaration
    instance: Name | None

    def resource(self) -> tuple[str, str]:
        return "dataset", self.name


class _OfVersion(Event, frozen=True, kw_only=True):
    dataset: Name
    number: int

    def resource(self) -> tuple[str, str]:
        return "dataset_version", f"{self.dataset}@{self.number}"


class ContentFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the store found out about one version: its own rows, and with them the whole."""

    rows: int
    """Rows added by this version."""
    total_rows: int
    """Rows of the version: its parent's and its own."""
    last_seq: int
    """The greatest `seq` of the version."""
    row_hash: Sha256
    """SHA-256 of all rows of the version in `seq` order, whatever files they are in."""
    manifest_sha256: Sha256
    """The full manifest, an object in the store."""
    schema_sha256: Sha256
    coverage: Coverage
    knowledge_first: datetime
    knowledge_last: datetime
    """The high-water mark: no later version may write an older `knowledge_date` unless it is a backfill."""
    superseding: int
    """Rows of this version whose key the parent already had: revisions."""


class DatasetVersionWritten(_OfVersion, frozen=True, kw_only=True):
    """Rows were added; nothing that was there changed."""

    ACTIONS: ClassVar = ("dataset_version.written",)
    parent: int | None
    files: tuple[DataFile, ...]
    """The files that this version added."""
    facts: ContentFacts
    backfill: bool
    run_id: str | None
    """The inference run that wrote it; None for an upload."""
    simulated: bool
    """A prediction recorded more than 24 h after its last decision time."""


class LocatedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A file that another service wrote, under a named root of the settings: never a URI."""

    location: Name
    key: str
    sha256: Sha256
    rows: int


class Producer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Who made a version elsewhere."""

    service: str
    run: str | None = None


class DatasetVersionRegistered(_OfVersion, frozen=True, kw_only=True):
    """Another service announced a version; it cannot be read before its bytes are verified."""

    ACTIONS: ClassVar = ("dataset_version.registered",)
    parent: int | None
    files: tuple[LocatedFile, ...]
    knowledge_first: datetime
    knowledge_last: datetime
    backfill: bool
    producer: Producer


class DatasetVersionVerified(_OfVersion, frozen=True, kw_only=True):
    """The announced bytes were hashed, checked and taken into the store."""

    ACTIONS: ClassVar = ("dataset_version.verified",)
    files: tuple[DataFile, ...]
    facts: ContentFacts


class DatasetVersionRejected(_OfVersion, frozen=True, kw_only=True):
    """The announced bytes were not what was said, or broke a rule."""

    ACTIONS: ClassVar = ("dataset_version.rejected",)
    code: str
    detail: str


class DatasetVersionCompacted(_OfVersion, frozen=True, kw_only=True):
    """The same rows, proved by their hash, in other files."""

    ACTIONS: ClassVar = ("dataset_version.compacted",)
    files: tuple[DataFile, ...]
    """All files of the version from now on."""
    row_hash: Sha256
    manifest_sha256: Sha256


class DatasetVersionPurged(_OfVersion, frozen=True, kw_only=True):
    """The bytes that this version added are gone; manifest, hashes and history stay."""

    ACTIONS: ClassVar = ("dataset_version.purged",)
    files: tuple[DataFile, ...]
    forced: bool
