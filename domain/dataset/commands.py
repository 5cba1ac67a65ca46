"""What can be asked of a dataset."""

from typing import Annotated, ClassVar

import msgspec

from domain.dataset.declaration import DataFile, Declaration
from domain.dataset.events import ContentFacts, LocatedFile, Producer
from domain.shared.command import Command
from domain.shared.ids import Name, Sha256
from domain.shared.times import Instant

Number = Annotated[int, msgspec.Meta(ge=1)]


class CreateDataset(Command, frozen=True, kw_only=True):
    """Create a source dataset; prediction datasets are created with their instance."""

    TYPE: ClassVar = "create_dataset"
    name: Name
    declaration: Declaration


class WriteDatasetVersion(Command, frozen=True, kw_only=True):
    """Add rows that were stored as a blob (Parquet, Arrow or CSV). Rows equal to stored ones are dropped."""

    TYPE: ClassVar = "write_dataset_version"
    dataset: Name
    blob_sha256: Sha256
    media_type: str = "application/vnd.apache.parquet"
    backfill: bool = False


class RegisterDatasetVersion(Command, frozen=True, kw_only=True):
    """Announce a version that another service wrote under a named location."""

    TYPE: ClassVar = "register_dataset_version"
    dataset: Name
    files: Annotated[tuple[LocatedFile, ...], msgspec.Meta(min_length=1, max_length=1000)]
    parent: Number | None = None
    knowledge_first: Instant
    knowledge_last: Instant
    backfill: bool = False
    producer: Producer


class VerifyDatasetVersion(Command, frozen=True, kw_only=True):
    """The announced bytes hold: what was found."""

    TYPE: ClassVar = "verify_dataset_version"
    INTERNAL: ClassVar = True
    dataset: Name
    number: Number
    files: tuple[DataFile, ...]
    facts: ContentFacts


class RejectDatasetVersion(Command, frozen=True, kw_only=True):
    """The announced bytes do not hold: why."""

    TYPE: ClassVar = "reject_dataset_version"
    INTERNAL: ClassVar = True
    dataset: Name
    number: Number
    code: str
    detail: str


class CompactDataset(Command, frozen=True, kw_only=True):
    """Rewrite the newest version's files into few: same rows, same hash."""

    TYPE: ClassVar = "compact_dataset"
    dataset: Name


class PurgeDatasetVersion(Command, frozen=True, kw_only=True):
    """Delete the bytes that a version added; refused while production needs them, unless forced. Needs a
    reason.
    """

    TYPE: ClassVar = "purge_dataset_version"
    NEEDS_REASON: ClassVar = True
    dataset: Name
    number: Number
    force: bool = False
