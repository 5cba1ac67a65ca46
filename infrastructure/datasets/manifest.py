"""The manifest of a version: all its files with what is needed to leave files out, and the facts of the
whole.
"""

import hashlib
from datetime import date, datetime

import msgspec

from domain.dataset.declaration import Column, Coverage, DataFile
from domain.dataset.events import ContentFacts
from domain.shared.ids import Sha256

FORM = 1

_encode = msgspec.json.Encoder(order="deterministic").encode


class FileEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of the version. Ranges include both ends."""

    sha256: Sha256
    rows: int
    size_bytes: int
    first_date: date
    last_date: date
    knowledge_first: datetime
    knowledge_last: datetime
    first_seq: int
    last_seq: int
    tombstones: int
    revised: bool
    """Whether a key of this file has another row in the version: only then must rows be collapsed."""

    def data_file(self) -> DataFile:
        """As events name it."""
        return DataFile(sha256=self.sha256, rows=self.rows, size_bytes=self.size_bytes)


class Segment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one version of the chain added: its rows run to `last_seq`."""

    rows: int
    last_seq: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole version; `segments` and `row_hash` stay when it is compacted."""

    form: int
    parent: Sha256 | None
    compacted_from: Sha256 | None
    columns: tuple[Column, ...]
    schema_sha256: Sha256
    files: tuple[FileEntry, ...]
    segments: tuple[Segment, ...]
    row_hash: Sha256
    entities_sha256: Sha256
    """An object of the store: the sorted list of entities as JSON, shared by versions as long as none is
    added.
    """
    coverage: Coverage
    knowledge_first: datetime
    knowledge_last: datetime
    superseding: int

    def facts(self, manifest_sha256: str) -> ContentFacts:
        """What the event says of this version."""
        last = self.segments[-1]
        return ContentFacts(
            rows=last.rows,
            total_rows=sum(segment.rows for segment in self.segments),
            last_seq=last.last_seq,
            row_hash=self.row_hash,
            manifest_sha256=manifest_sha256,
            schema_sha256=self.schema_sha256,
            coverage=self.coverage,
            knowledge_first=self.knowledge_first,
            knowledge_last=self.knowledge_last,
            superseding=self.superseding,
        )


def encode(manifest: Manifest) -> bytes:
    """The manifest's JSON: fields sorted, one form for one content."""
    return _encode(manifest)


def decode(content: bytes) -> Manifest:
    """Read a manifest; raises msgspec.DecodeError and ValidationError."""
    return msgspec.json.decode(content, type=Manifest)


def schema_sha256(columns: tuple[Column, ...]) -> str:
    """Names the declared columns and their types, in order."""
    return hashlib.sha256(_encode([[column.name, column.type] for column in columns])).hexdigest()
