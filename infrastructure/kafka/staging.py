"""What a topic holds, laid out by position in a file: any order comes in, the log's order comes out.

Memory stays bounded by the number of tenants; the file needs as much room as an export of the log.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from domain.shared.errors import RuleBroken
from infrastructure.activity_log.exchange import line_of
from infrastructure.kafka.messages import ActivityMessage, record_hash


class RestoreHole(RuleBroken):
    """The topic lacks an event between others: a log made of it would not be the log."""

    remedy = "Restore from a backup, or from another copy of the topic; nothing was written."


class RestoreContradiction(RuleBroken):
    """The topic holds two different events at one position."""

    remedy = "Two logs wrote to this topic. Restore from a backup; nothing was written."


class RestoreChainBroken(RuleBroken):
    """An event names another predecessor than the topic holds for its tenant."""

    remedy = "Restore from a backup, or from another copy of the topic; nothing was written."


class StagedEnd(NamedTuple):
    """What the whole of a topic amounts to."""

    position: int
    epoch: str
    """The life of the log that published the last event."""
    tenants: dict[str, int]
    """The last position of each tenant."""


class Staging:
    """A temporary file of messages."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute(
            "CREATE TABLE staged (position INTEGER PRIMARY KEY, hash TEXT, tenant TEXT, previous INTEGER, "
            "epoch TEXT, line TEXT)"
        )
        self._file.execute("BEGIN")

    def add(self, message: ActivityMessage) -> None:
        """Take a message; an equal one again is nothing new. Raises RestoreContradiction."""
        position, hashed = message.position, record_hash(message.row)
        values = (position, hashed, message.tenant, message.previous, message.epoch, line_of(message.row))
        added = self._file.execute("INSERT OR IGNORE INTO staged VALUES (?, ?, ?, ?, ?, ?)", values)
        if added.rowcount == 1:
            return
        asked = "SELECT hash, previous FROM staged WHERE position = ?"
        if self._file.execute(asked, (position,)).fetchone() != (hashed, message.previous):
            raise RestoreContradiction(
                f"position {position} is there as two different events", position=position
            )
        self._file.execute("UPDATE staged SET epoch = ? WHERE position = ?", (message.epoch, position))

    def end(self) -> StagedEnd:
        """Check that positions run 1..N and that the tenants' chains hold. Raises RestoreHole,
        RestoreChainBroken.
        """
        position, epoch = 0, ""
        tenants: dict[str, int] = {}
        asked = "SELECT position, tenant, previous, epoch FROM staged ORDER BY position"
        for found, tenant, previous, epoch in self._file.execute(asked):  # noqa: B007 (the last one counts)
            if found != position + 1:
                raise RestoreHole(f"after position {position} comes {found}", missing=position + 1)
            if previous != tenants.get(tenant, 0):
                detail = f"position {found} follows {previous}, the topic holds {tenants.get(tenant, 0)}"
                raise RestoreChainBroken(detail, position=found, previous=previous)
            position = tenants[tenant] = found
        return StagedEnd(position, epoch, tenants)

    def lines(self) -> Iterator[str]:
        """The export lines in order of position."""
        for (line,) in self._file.execute("SELECT line FROM staged ORDER BY position"):
            yield f"{line}\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
