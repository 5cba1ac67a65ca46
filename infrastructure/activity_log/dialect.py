"""The seam between the log and a database: what an adapter provides (`sqlite.py`, `postgres.py`)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from application.ports import Outcome
from infrastructure.activity_log.decision import CommandKey, Decision, Head, StreamHead
from infrastructure.activity_log.record import Row
from infrastructure.activity_log.submission import Submission


class WriteSession(Protocol):
    """The writer's one connection; between `begin` and `commit` or `rollback` it holds the write lock."""

    def write_at_once(
        self, batch: Sequence[Submission], now_us: Callable[[], int], absent: int
    ) -> Decision | None:
        """Append and commit without looking first, where the database can refuse by itself what must not be.

        None: nothing was written, the batch has to be decided under the lock.
        """
        ...

    def begin(self, head: Head, *, patient: bool = False) -> Head:
        """Take the lock and begin; returns the head that it guards (`head`: as this process last knew it).

        `patient`: the transaction may pause for as long as its maker likes.
        """
        ...

    def head(self) -> Head:
        """The head row."""
        ...

    def known(self, keys: Sequence[CommandKey]) -> Mapping[CommandKey, Outcome]:
        """The first outcomes of those commands that were seen before."""
        ...

    def streams(self, stream_ids: Sequence[str]) -> Mapping[str, StreamHead]:
        """Where streams stand; a stream without events is left out."""
        ...

    def write(self, former: Head, decision: Decision) -> None:
        """Insert rows and outcomes and move the head from `former`. Raises LogHeadMoved."""
        ...

    def forget_outcomes(self, before_us: int) -> int:
        """Drop rows of `command_outcome` recorded before a time (µs since 1970); returns how many."""
        ...

    def commit(self) -> None:
        """Make it durable."""
        ...

    def rollback(self) -> None:
        """Undo; harmless outside a transaction."""
        ...

    def is_outage(self, error: Exception) -> bool:
        """Whether an error is the database's or the network's: trying the commands singly is no use."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class ReadConnections(Protocol):
    """Reading beside the writer, from any thread."""

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement (parameters as `?`) and fetch everything."""
        ...

    def snapshot(self) -> AbstractContextManager["Snapshot"]:
        """One unchanging view of the log for several statements."""
        ...


class Snapshot(Protocol):
    """The log as it stood at one moment."""

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement and fetch everything."""
        ...

    def stream(self, statement: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """Run one statement and fetch row by row."""
        ...


class Dialect(Protocol):
    """One database that can hold an activity log."""

    @property
    def driver_errors(self) -> tuple[type[Exception], ...]:
        """What the driver raises when it cannot write."""
        ...

    def write_session(self) -> WriteSession:
        """Open the writer's connection."""
        ...

    def readers(self) -> ReadConnections:
        """The connections of the readers."""
        ...

    def follow(self, advance: Callable[[int], None]) -> None:
        """Call `advance` with the head after commits of other processes, until `close`."""
        ...

    def epoch(self) -> str:
        """The life of this log: another text after a restore; empty where nothing outside follows it."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...

    def forget(self) -> None:
        """In a forked child: let go of the parent's connections without a word to the server."""
        ...
