"""Driver statements of the SQLite writer, the checked way: all is looked up under the lock, then written."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from application.ports import Outcome
from infrastructure.activity_log.decision import CommandKey, Decision, Head, StreamHead
from infrastructure.activity_log.errors import LogHeadMoved
from infrastructure.activity_log.outcomes import first_outcome
from infrastructure.activity_log.record import Row
from infrastructure.activity_log.schema import COLUMNS
from infrastructure.activity_log.submission import Submission

_ROWS_A_STATEMENT = (64, 16, 4, 1)
"""Each step of a statement lets go of the interpreter's lock and has to win it back from all who wait,
so many rows go into one statement; a few fixed sizes keep the statements in the driver's cache."""

_INSERT_OUTCOME = "INSERT INTO command_outcome VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
MOVE_HEAD = "UPDATE log_head SET position = ?, recorded_at_us = ? WHERE id = 1 AND position = ?"
_HEAD = "SELECT position, recorded_at_us FROM log_head"
_IS_KNOWN = """
SELECT EXISTS (SELECT 1 FROM activity_log WHERE tenant = ?1 AND command_id = ?2)
    OR EXISTS (SELECT 1 FROM command_outcome WHERE tenant = ?1 AND command_id = ?2)"""
_WHICH_ARE_KNOWN = """
SELECT asked.value->>0, asked.value->>1 FROM json_each(?) AS asked
WHERE EXISTS (SELECT 1 FROM activity_log
              WHERE tenant = asked.value->>0 AND command_id = asked.value->>1)
   OR EXISTS (SELECT 1 FROM command_outcome
              WHERE tenant = asked.value->>0 AND command_id = asked.value->>1)"""
_STREAM = """
SELECT stream_version, tenant FROM activity_log WHERE stream_id = ? ORDER BY stream_version DESC LIMIT 1"""
_STREAMS = """
SELECT json_group_array(json_array(asked.value, last.stream_version, last.tenant)) FROM json_each(?) AS asked
CROSS JOIN activity_log AS last ON last.stream_id = asked.value AND last.stream_version = (
    SELECT stream_version FROM activity_log
    WHERE stream_id = asked.value ORDER BY stream_version DESC LIMIT 1)"""


def _insert(rows: int) -> str:
    marks = f"({', '.join('?' * len(COLUMNS))})"
    return f"INSERT INTO activity_log VALUES {', '.join([marks] * rows)}"  # noqa: S608 (only marks)


_INSERT_EVENTS = {rows: _insert(rows) for rows in _ROWS_A_STATEMENT}

_json = msgspec.json.Encoder().encode
_heads = msgspec.json.Decoder(list[tuple[str, int, str]]).decode


class SqliteWriteSession:
    """The one write connection, in autocommit mode: BEGIN and COMMIT are said here and nowhere else."""

    def __init__(self, pooled: Any) -> None:
        """`pooled` is a checked-out connection of the writer's SQLAlchemy engine."""
        self._pooled = pooled
        self._connection = pooled.driver_connection
        self._run = self._connection.execute

    def write_at_once(
        self,
        batch: Sequence[Submission],  # noqa: ARG002
        now_us: Callable[[], int],  # noqa: ARG002
        absent: int,  # noqa: ARG002
    ) -> Decision | None:
        """Never: looking first costs nothing in the same process."""
        return None

    def begin(self, head: Head, *, patient: bool = False) -> Head:  # noqa: ARG002
        """BEGIN IMMEDIATE: a read that upgrades to a write would fail at once, whatever the busy timeout."""
        self._run("BEGIN IMMEDIATE")
        return head

    def head(self) -> Head:
        """The head row."""
        return Head(*self._run(_HEAD).fetchone())

    def known(self, keys: Sequence[CommandKey]) -> Mapping[CommandKey, Outcome]:
        """The first outcomes of those commands that were seen before."""
        outcomes = ((key, first_outcome(self._rows, *key)) for key in self._known_keys(keys))
        return {key: outcome for key, outcome in outcomes if outcome is not None}

    def _known_keys(self, keys: Sequence[CommandKey]) -> Sequence[CommandKey]:
        if len(keys) == 1:
            return keys if self._run(_IS_KNOWN, keys[0]).fetchone()[0] else ()
        return self._rows(_WHICH_ARE_KNOWN, (_json(keys).decode(),))

    def streams(self, stream_ids: Sequence[str]) -> Mapping[str, StreamHead]:
        """Where streams stand; a stream without events is left out."""
        if len(stream_ids) == 1:
            row = self._run(_STREAM, stream_ids).fetchone()
            return {stream_ids[0]: StreamHead(*row)} if row else {}
        found = self._run(_STREAMS, (_json(stream_ids).decode(),)).fetchone()[0]
        return {stream_id: StreamHead(version, tenant) for stream_id, version, tenant in _heads(found)}

    def write(self, former: Head, decision: Decision) -> None:
        """Insert rows and outcomes, move the head; raises LogHeadMoved if it does not stand at `former`."""
        if decision.rows:
            self._insert_events(decision.rows)
            moved = self._run(MOVE_HEAD, (*decision.head, former.position))
            if moved.rowcount != 1:
                raise LogHeadMoved(f"the head is no longer at position {former.position}")
        if decision.outcomes:
            self._connection.executemany(_INSERT_OUTCOME, decision.outcomes)

    def _insert_events(self, rows: Sequence[Row]) -> None:
        done = 0
        for size in _ROWS_A_STATEMENT:
            while len(rows) - done >= size:
                self._run(_INSERT_EVENTS[size], tuple(chain.from_iterable(rows[done : done + size])))
                done += size

    def forget_outcomes(self, before_us: int) -> int:
        """Drop rows of `command_outcome` recorded before a time (µs since 1970); returns how many."""
        return self._run("DELETE FROM command_outcome WHERE recorded_at_us < ?", (before_us,)).rowcount

    def commit(self) -> None:
        """Durable when it returns: synchronous=FULL syncs the journal."""
        self._run("COMMIT")

    def rollback(self) -> None:
        """Undo; harmless outside a transaction."""
        if self._connection.in_transaction:
            self._run("ROLLBACK")

    def is_outage(self, error: Exception) -> bool:  # noqa: ARG002
        """Never: a full disk may still take a smaller command."""
        return False

    def close(self) -> None:
        """Roll back what is open and give the connection back."""
        self.rollback()
        self._pooled.close()

    def _rows(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        return self._run(statement, parameters).fetchall()
