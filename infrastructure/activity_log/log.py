"""The port `ActivityLog` on the persistence module, and the ways to open a log."""

import os
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TextIO, TypeVar

from eventsourcing.persistence import EventStore, JSONTranscoder

from application.ports import Clock, Loaded, Outcome, StreamCheck, StreamWrite
from domain.shared.activity import Envelope, Event, StreamKey
from infrastructure.activity_log import exchange
from infrastructure.activity_log.errors import LogFileForeign
from infrastructure.activity_log.folding import StreamFolds
from infrastructure.activity_log.group_commit import DEFAULT_LIMITS, GroupCommit, GroupLimits
from infrastructure.activity_log.head_signal import Listener
from infrastructure.activity_log.mapper import EventMapper
from infrastructure.activity_log.payload import Decoder
from infrastructure.activity_log.readable import ReadableLog
from infrastructure.activity_log.reading import LogReader
from infrastructure.activity_log.recorders import LogApplicationRecorder
from infrastructure.activity_log.sqlite import SqliteReadConnections
from infrastructure.activity_log.store import OUTCOMES_KEPT_DAYS, LogStore
from infrastructure.activity_log.submission import submission_of_refusal, submission_of_writes

S = TypeVar("S")


class DatabaseActivityLog(ReadableLog):
    """The activity log: one SQLite file that this process owns, or a PostgreSQL database that several share.

    Made by `open_activity_log` and `open_postgres_log`.
    """

    def __init__(self, store: LogStore, decoder: Decoder) -> None:
        super().__init__(store.reader, decoder)
        self._store = store
        self.recorder = LogApplicationRecorder(store)
        """The log in the terms of the library `eventsourcing`; `recorder.subscribe(gt=...)` follows it."""
        self._folds = StreamFolds(EventStore(EventMapper(JSONTranscoder(), decoder=decoder), self.recorder))

    @property
    def epoch(self) -> str:
        """The life of this log, which a restore begins anew; empty on SQLite: nothing outside follows."""
        return self._store.epoch()

    def append(
        self, envelope: Envelope, writes: Sequence[StreamWrite], checks: Sequence[StreamCheck] = ()
    ) -> Outcome:
        """Record all events or none; with no events, record the outcome `unchanged`.

        A command id that was seen before returns its first outcome with `repeated=True`.
        Raises StreamConflict (facts: stream, expected, current), CommandIdReused, CommandTooLarge, LogBusy,
        EventPayloadNotFinite, EventPayloadUnencodable, LogClosed, LogWriteFailed (outcome unknown: repeat).
        """
        return self._store.commit.submit(submission_of_writes(envelope, writes, checks))

    async def append_async(
        self, envelope: Envelope, writes: Sequence[StreamWrite], checks: Sequence[StreamCheck] = ()
    ) -> Outcome:
        """As `append`, without blocking the event loop."""
        return await self._store.commit.submit_async(submission_of_writes(envelope, writes, checks))

    def refuse(self, envelope: Envelope, code: str, detail: str, facts: dict[str, Any]) -> Outcome:
        """Keep a refusal as the command's outcome. Raises as `append` does, but for conflicts and sizes."""
        return self._store.commit.submit(submission_of_refusal(envelope, code, detail, facts))

    def load(self, tenant: str, stream: StreamKey, initial: S, evolve: Callable[[S, Event], S]) -> Loaded[S]:
        """Fold a stream; states are cached, so `evolve` must be pure and a function of a module.

        Raises LogTopicUnknown if the stream holds an event that this code does not know.
        """
        return self._folds.load(tenant, stream, initial, evolve)

    @property
    def commit(self) -> GroupCommit:
        """Where this process's appends are grouped; who watches the service looks there."""
        return self._store.commit

    def head(self) -> int:
        """The last committed position; 0 for an empty log."""
        return self._store.signal.position

    def wait_beyond(self, position: int, timeout_s: float) -> int:
        """Wait until the head is beyond `position`, time is over or the log is closed; returns the head.

        When time is over the database is asked once: news of other processes may be on its way, or lost.
        """
        head = self._store.signal.wait_beyond(position, timeout_s)
        if head <= position and self._store.signal.is_open:
            with suppress(Exception):  # it is away: nothing is known beyond what was heard
                self._store.signal.advance(self._reader.last_position())
        return self._store.signal.position

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        """Call `listener(head)` after each commit that this process makes or hears of; returns its end.

        It is called in the thread that committed or listens, and must return at once.
        """
        return self._store.signal.add_listener(listener)

    def import_from(self, lines: Path | TextIO | Iterable[str]) -> int:
        """Take an export into this empty log, all of it or nothing; returns the number of events.

        Raises LogNotEmpty, and LogLineRefused with the number of the first bad line.
        """
        if isinstance(lines, Path):
            with lines.open(encoding="utf-8", newline="\n") as stream:
                return self._store.import_rows(exchange.rows_of(stream))
        return self._store.import_rows(exchange.rows_of(lines))

    def forget_outcomes(self, kept_days: int = OUTCOMES_KEPT_DAYS) -> int:
        """Drop outcomes that left no event and are older; returns how many. Opening does it.

        A command whose outcome is forgotten is decided anew if it comes again. ValueError below 30 days.
        """
        if kept_days < OUTCOMES_KEPT_DAYS:
            raise ValueError(f"outcomes are kept {OUTCOMES_KEPT_DAYS} days at least")
        return self._store.forget_outcomes(kept_days)

    def close(self) -> None:
        """Write what waits and close; later commands get LogClosed."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ReadOnlyLog(ReadableLog):
    """A log file that another process may own: for export and verification. Made by `open_readonly`."""

    def __init__(self, connections: SqliteReadConnections, decoder: Decoder) -> None:
        super().__init__(LogReader(connections, decoder), decoder)
        self._connections = connections

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_activity_log(
    path: Path, clock: Clock, *, limits: GroupLimits = DEFAULT_LIMITS, decoder: Decoder | None = None
) -> DatabaseActivityLog:
    """Own and open the log in one file, made where there is none.

    Raises LogOnNetworkFileSystem, LogOwnedElsewhere, LogFileForeign, LogHeadWrong, SqliteTooOld,
    SqliteSettingRefused.
    """
    decoder = decoder or Decoder()
    store = LogStore.open_sqlite(path, clock, limits=limits, decoder=decoder)
    store.forget_outcomes(OUTCOMES_KEPT_DAYS)
    _open_stores.add(store)
    return DatabaseActivityLog(store, decoder)


def open_postgres_log(
    database_url: str,
    clock: Clock,
    *,
    limits: GroupLimits = DEFAULT_LIMITS,
    decoder: Decoder | None = None,
    owner_allowed: bool = False,
) -> DatabaseActivityLog:
    """Open the log in a PostgreSQL database that `infrastructure.postgres.install` prepared.

    Other processes may have it open as well. A role that could change the log is refused unless
    `owner_allowed`. Raises DatabaseUnreachable, LogNotInstalled, LogFormForeign, RoleMayChangeLog,
    DurabilitySwitchedOff, PostgresTooOld, DatabaseNotUtf8, LogHeadWrong.
    """
    decoder = decoder or Decoder()
    store = LogStore.open_postgres(
        database_url, clock, limits=limits, decoder=decoder, owner_allowed=owner_allowed
    )
    store.forget_outcomes(OUTCOMES_KEPT_DAYS)
    _open_stores.add(store)
    return DatabaseActivityLog(store, decoder)


def open_readonly(path: Path, *, decoder: Decoder | None = None) -> ReadOnlyLog:
    """Open a log for reading beside its owner. Raises LogFileForeign if there is none."""
    if not path.is_file():
        raise LogFileForeign(f"there is no log at {path}")
    return ReadOnlyLog(SqliteReadConnections(path, read_only=True), decoder or Decoder())


_open_stores: "weakref.WeakSet[LogStore]" = weakref.WeakSet()


def _forget_in_child() -> None:
    """A forked child must neither hold the parent's lock nor write over its connections."""
    for store in list(_open_stores):
        store.forget()


os.register_at_fork(after_in_child=_forget_in_child)
