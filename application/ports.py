"""What the outside must provide. Adapters live in `infrastructure/`; tests may bring their own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar
from uuid import UUID

import msgspec

from domain.dataset.declaration import DataFile, Declaration
from domain.dataset.events import ContentFacts, LocatedFile
from domain.guardrails.contracts import Contract
from domain.guardrails.measurements import Measurements
from domain.ml_module_def.manifest import Manifest
from domain.shared.activity import Envelope, Event, RecordedEvent, StreamKey

if TYPE_CHECKING:
    import polars as pl

S = TypeVar("S")

# --- the activity log
# -----------------------------------------------------------------------------------------------


class StreamWrite(msgspec.Struct, frozen=True):
    """Events for one stream, to be recorded if it stands at `expected` (0: it must not exist)."""

    stream: StreamKey
    expected: int
    events: tuple[Event, ...]


class StreamCheck(msgspec.Struct, frozen=True):
    """A stream whose facts the decision used: the append holds only if it still stands at `expected`."""

    stream: StreamKey
    expected: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command; the same again whenever the command is repeated."""

    kind: Literal["accepted", "unchanged", "refused"]
    position: int
    """Last position of the command's events; for the others the head when it was decided."""
    refs: tuple[str, ...] = ()
    """`type:id` of each resource that the events are about, in order, each once."""
    versions: dict[str, int] = {}
    """Stream version after the command, by the same `type:id`."""
    code: str | None = None
    detail: str | None = None
    facts: dict[str, Any] = {}
    repeated: bool = False
    body_hash: bytes = b""


class Loaded(msgspec.Struct, Generic[S], frozen=True):
    """The folded state of a stream and the version it stands at (0: no such stream)."""

    state: S
    version: int


class ActivityLog(Protocol):
    """The source of truth: append-only, totally ordered, positions 1..N without a hole."""

    def append(
        self, envelope: Envelope, writes: Sequence[StreamWrite], checks: Sequence[StreamCheck] = ()
    ) -> Outcome:
        """Record all events or none; with no events, record the outcome `unchanged`.

        A command id that was seen before returns its first outcome with `repeated=True`.
        Raises StreamConflict, CommandIdReused, CommandTooLarge, LogBusy.
        """
        ...

    def refuse(self, envelope: Envelope, code: str, detail: str, facts: dict[str, Any]) -> Outcome:
        """Keep a refusal as the command's outcome (operational, kept at least 30 days; not an event)."""
        ...

    def outcome(self, tenant: str, command_id: UUID) -> Outcome | None:
        """The first outcome of a command, if there was one."""
        ...

    def load(self, tenant: str, stream: StreamKey, initial: S, evolve: Callable[[S, Event], S]) -> Loaded[S]:
        """Fold a stream."""
        ...

    def read_stream(self, tenant: str, stream: StreamKey) -> Sequence[RecordedEvent]:
        """All events of a stream in order."""
        ...

    def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """The next events of the whole log, in order of position."""
        ...

    def head(self) -> int:
        """The last position; 0 for an empty log."""
        ...

    def position_at(self, moment: datetime) -> int:
        """The last position recorded by then; 0 if there was none."""
        ...

    def wait_beyond(self, position: int, timeout_s: float) -> int:
        """Wait until the head is beyond `position` or the time is over; returns the head."""
        ...


# --- stores
# -----------------------------------------------------------------------------------------------------------


class ArtifactStore(Protocol):
    """Content-addressed blobs: written to a temporary file, synced, renamed; the hash is checked at every
    read.
    """

    def put(self, content: bytes) -> str:
        """Store bytes; returns their SHA-256. Storing twice is one object."""
        ...

    def put_file(self, path: Path) -> str:
        """Store a file's content (the file stays where it is); returns its SHA-256."""
        ...

    def get(self, sha256: str) -> bytes:
        """Raises ArtifactMissing, ArtifactPurged, ArtifactHashMismatch."""
        ...

    def checked_path(self, sha256: str) -> Path:
        """A read-only path to the object after its hash was checked; same errors as `get`."""
        ...

    def has(self, sha256: str) -> bool:
        """Whether the object is there (its content is not checked)."""
        ...

    def purge(self, sha256: str) -> None:
        """Delete the bytes and leave a mark, so that reading says purged instead of missing."""
        ...


class PreparedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Rows checked and stored, not yet a version: the event makes it one."""

    files: tuple[DataFile, ...]
    facts: ContentFacts
    backfill: bool


class DatasetStore(Protocol):
    """The bitemporal Parquet store (R0-R12 of the point-in-time rules)."""

    def prepare(
        self,
        declaration: Declaration,
        parent: ContentFacts | None,
        content: Path,
        media_type: str,
        *,
        written_at: datetime,
        backfill: bool | None,
    ) -> PreparedVersion | None:
        """Check rows against the declaration and R4, R5, R7, R8, drop those equal to stored ones, store the
        rest.

        `backfill=None`: decide by R5 whether it is one (runs). None back: nothing new.
        Raises the `pit.*` and `dataset.*` errors.
        """
        ...

    def prepare_located(
        self,
        declaration: Declaration,
        parent: ContentFacts | None,
        files: Sequence[LocatedFile],
        *,
        written_at: datetime,
        backfill: bool,
    ) -> PreparedVersion:
        """Hash and check files under named locations and take them in. Raises like `prepare`."""
        ...

    def read(
        self,
        manifest_sha256: str,
        as_of: datetime | None,
        *,
        columns: Sequence[str] | None = None,
        first: date | None = None,
        last: date | None = None,
        entities: Sequence[str] | None = None,
    ) -> "pl.DataFrame":
        """R2 over the rows of one version; None: everything the version holds, latest row a key.

        Frame: entity str, date Date, knowledge_date Datetime(us, UTC), then the declared columns; sorted by
        (date, entity).
        """
        ...

    def read_revisions(self, manifest_sha256: str, as_of: datetime) -> "pl.DataFrame":
        """Every stored row known at `as_of`, with `seq` and `op`, in (entity, date, knowledge_date, seq)
        order.
        """
        ...

    def compact(self, manifest_sha256: str) -> tuple[tuple[DataFile, ...], str, str]:
        """Rewrite a version's files into few; returns files, row hash (unchanged) and the new manifest's
        hash.
        """
        ...

    def purge(self, files: Sequence[DataFile]) -> None:
        """Delete files' bytes; reading a version that needs them raises DatasetPurged."""
        ...

    def verify(self, manifest_sha256: str) -> list[str]:
        """Hash everything a version needs; returns the problems found, empty when all holds."""
        ...


# --- code of definitions
# --------------------------------------------------------------------------------------------


class Packages(Protocol):
    """Reads definition packages without running them."""

    def inspect(self, package_sha256: str) -> Manifest:
        """Check a stored zip's structure and read its definition.toml. Raises the `definition.*` errors."""
        ...


@dataclass(frozen=True, kw_only=True)
class MeasuredInput:
    """A pinned input as contracts see it."""

    rows: "Callable[[], pl.DataFrame]"
    """What was known of it at the run's `as_of`; read only when a contract asks."""
    sessions: Callable[[date, date], Sequence[tuple[date, datetime]]] | None = None
    """Its calendar: sessions in [first, last] with their close."""
    revisions: "Callable[[], pl.DataFrame] | None" = None
    """Every stored row known at the run's `as_of`, with `seq` and `op`."""


@dataclass(frozen=True, kw_only=True)
class MeasuredRun:
    """What is known of a run beside its output. None, or no input: not known, so nothing is judged by it."""

    as_of: datetime | None = None
    entities: int | None = None
    """How many entities the first input holds."""
    decisions: Mapping[date, datetime] | None = None
    """The dates that the output has to be about, with their decision times."""
    trained_as_of: datetime | None = None
    inputs: Mapping[str, MeasuredInput] = field(default_factory=dict[str, MeasuredInput])
    """By role."""


class Measurer(Protocol):
    """Takes the figures that contracts judge."""

    def measure(self, contracts: Sequence[Contract], output: Path, run: MeasuredRun) -> Measurements:
        """Measure a staged Parquet file of predictions, and the run it came from, for the contracts that
        judge frames; what cannot be measured for want of a fact is left out.
        """
        ...


class Sessions(Protocol):
    """Trading calendars."""

    def known(self, calendar: str) -> bool:
        """Whether there is such a calendar."""
        ...

    def closes(self, calendar: str, first: date, last: date) -> Sequence[tuple[date, datetime]]:
        """Sessions in [first, last] with their close (UTC)."""
        ...


# --- the rest of the world
# ------------------------------------------------------------------------------------------


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Now, in UTC."""
        ...


class Ids(Protocol):
    """Fresh identities."""

    def run_id(self) -> str:
        """A new UUIDv7 in lower case."""
        ...

    def command_id(self) -> UUID:
        """A new random command id."""
        ...


class Executor(Protocol):
    """Runs pending runs and evaluations in processes of their own; policies tell it when to look."""

    def wake(self) -> None:
        """There may be work: look for pending runs and submitted definitions."""
        ...

    def kill(self, run_id: str) -> None:
        """The run was ended from outside: kill its process group if it is ours."""
        ...
