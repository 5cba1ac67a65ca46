"""The PostgreSQL writer's one connection: the append in one statement, and the checked way beside it."""

import contextlib
import logging
import select
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import psycopg

from application.ports import Outcome
from infrastructure.activity_log import postgres_statements as statements
from infrastructure.activity_log.at_once import Conditions, conditions_of, decision_at
from infrastructure.activity_log.decision import CommandKey, Decision, Head, StreamHead
from infrastructure.activity_log.errors import LogHeadMoved
from infrastructure.activity_log.outcomes import first_outcome
from infrastructure.activity_log.postgres_values import columns_of, integers, register, texts
from infrastructure.activity_log.record import Row
from infrastructure.activity_log.submission import Submission
from infrastructure.failpoints import hit
from infrastructure.postgres.silent_sessions import end_silent_sessions

Connection: TypeAlias = psycopg.Connection[Any]
T = TypeVar("T")

COPY_ROWS_MIN = 1_000
_UNKNOWN = -1
COMPANY = 64
"""So many batches after another process was seen to append, the lock is taken first."""

_logger = logging.getLogger(__name__)


def translated(statement: str) -> str:
    """A statement of the shared modules (parameters as `?`) for psycopg."""
    return statement.replace("%", "%%").replace("?", "%s")


class PostgresWriteSession:
    """In autocommit mode: BEGIN and COMMIT are said here and nowhere else. Reconnects when it must."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._poll = select.poll()
        self._last = _UNKNOWN
        self._company = 0

    # --- one statement

    def write_at_once(
        self, batch: Sequence[Submission], now_us: Callable[[], int], absent: int
    ) -> Decision | None:
        """Append and commit in one statement; None if the batch has to be looked at under the lock."""
        conditions = conditions_of(batch, absent)
        if conditions is None:
            return None
        self._reconnect_if_lost()
        append = _append(batch, conditions, now_us())
        try:
            row = self._patiently(lambda: self._appended(*append))
        except psycopg.errors.UniqueViolation:
            self.rollback()
            return None
        if not row:
            return None
        decision = decision_at(Head(*row[:2]), batch)
        events = sum(len(submission.events) for submission in batch)
        self._notice(decision.head.position - events, decision.head.position)
        return decision

    def _appended(self, append: str, parameters: Sequence[Any]) -> Any:
        if self._company:
            return self._append_in_company(append, parameters)
        return self._run(append, parameters).fetchone()

    def _append_in_company(self, append: str, parameters: Sequence[Any]) -> Any:
        """The lock first, so that the statement sees what others committed while this waited: one round."""
        with self._alive().pipeline():
            self._run("BEGIN")
            self._run(statements.LOCK)
            hit("log.with_lock")
            appended = self._run(append, parameters)
            self._run("COMMIT")
        return appended.fetchone()

    def _notice(self, former: int, position: int) -> None:
        """Remember for some batches that other processes append, too."""
        is_own = self._last in (former, _UNKNOWN)
        self._company = max(0, self._company - 1) if is_own else COMPANY
        self._last = position

    # --- the checked way

    def begin(self, head: Head, *, patient: bool = False) -> Head:  # noqa: ARG002
        """Begin, wait for the lock, and read the head that it guards."""
        self._reconnect_if_lost()
        found = self._patiently(self._locked)
        self._notice(found.position, found.position)
        if patient:
            self._run(statements.PATIENCE)
        return found

    def _locked(self) -> Head:
        cursor = self._alive().execute(statements.BEGIN_CHECKED)
        while cursor.nextset():
            pass
        return Head(*cursor.fetchall()[0])

    def _patiently(self, act: Callable[[], T]) -> T:
        """Once more, after whoever kept the lock without a word has lost its session."""
        try:
            return act()
        except psycopg.errors.LockNotAvailable:
            self.rollback()
            if not end_silent_sessions(self._alive()):
                raise
            return act()

    def head(self) -> Head:
        """The head row."""
        self._reconnect_if_lost()
        return Head(*self._run(statements.HEAD).fetchall()[0])

    def known(self, keys: Sequence[CommandKey]) -> Mapping[CommandKey, Outcome]:
        """The first outcomes of those commands that were seen before."""
        tenants, ids = zip(*keys, strict=True)
        found = self._run(statements.KNOWN, (texts(tenants), texts(ids))).fetchall()
        outcomes = ((key, first_outcome(self._rows, *key)) for key in found)
        return {key: outcome for key, outcome in outcomes if outcome is not None}

    def streams(self, stream_ids: Sequence[str]) -> Mapping[str, StreamHead]:
        """Where streams stand; a stream without events is left out."""
        found = self._run(statements.STREAMS, (texts(stream_ids),)).fetchall()
        return {stream_id: StreamHead(version, tenant) for stream_id, version, tenant in found}

    def write(self, former: Head, decision: Decision) -> None:
        """Insert rows and outcomes, move the head, tell; raises LogHeadMoved if it is not at `former`."""
        if decision.outcomes:
            self._run(statements.INSERT_OUTCOMES, columns_of(decision.outcomes, statements.OUTCOME_KINDS))
        if not decision.rows:
            self._run(statements.TOUCH_HEAD)
            return
        if len(decision.rows) >= COPY_ROWS_MIN:
            self._copy(decision.rows)
            moved = self._run(statements.MOVE, (*decision.head, former.position))
        else:
            columns = columns_of(decision.rows, statements.KINDS)
            moved = self._run(statements.INSERT_AND_MOVE, (*columns, *decision.head, former.position))
        self._last = decision.head.position
        if moved.rowcount != 1:
            raise LogHeadMoved(f"the head is no longer at position {former.position}")

    def _copy(self, rows: Sequence[Row]) -> None:
        with self._alive().cursor() as cursor, cursor.copy(statements.COPY_ROWS) as copy:
            copy.set_types(statements.COPY_TYPES)
            for row in rows:
                copy.write_row(row)

    def forget_outcomes(self, before_us: int) -> int:
        """Drop rows of `command_outcome` recorded before a time (µs since 1970); returns how many."""
        return self._run(statements.FORGET, (before_us,)).rowcount

    def commit(self) -> None:
        """Durable when it returns: synchronous_commit is on."""
        self._run("COMMIT")

    def rollback(self) -> None:
        """Undo; harmless outside a transaction and after the connection was lost."""
        connection = self._connection
        if connection is None:
            return
        if connection.closed:
            self._drop()
        elif connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self._run("ROLLBACK")

    def is_outage(self, error: Exception) -> bool:
        """Whether an error is the server's or the network's, not one command's."""
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)

    def close(self) -> None:
        """Close the connection; what is open is rolled back by the server."""
        self._drop()

    # --- the connection

    def _run(self, statement: str, parameters: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
        text = statement.encode()  # made of literals and names of this module's own columns
        return self._alive().execute(text, parameters or None, prepare=bool(parameters), binary=True)

    def _rows(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        return self._run(translated(statement), parameters).fetchall()

    def _alive(self) -> Connection:
        if self._connection is None:
            raise psycopg.OperationalError("the connection was lost")
        return self._connection

    def _reconnect_if_lost(self) -> None:
        """Between transactions: the server says nothing unasked but farewell: a readable socket is lost."""
        connection = self._connection
        if connection is not None and (connection.closed or self._poll.poll(0)):
            _logger.warning("the log's writer lost its connection and makes another")
            self._drop()
        if self._connection is None:
            self._connection = self._connect()
            register(self._connection)
            self._poll.register(self._connection.fileno(), select.POLLIN)
            self._descriptor = self._connection.fileno()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(KeyError):
                self._poll.unregister(self._descriptor)
            connection.close()


def _append(batch: Sequence[Submission], conditions: Conditions, now_us: int) -> tuple[str, Sequence[Any]]:
    """The statement and its parameters."""
    rows = [(*event.columns, event.payload) for submission in batch for event in submission.events]
    present = tuple(zip(*conditions.present, strict=True)) or ((), (), ())
    missing = tuple(zip(*conditions.missing, strict=True)) or ((), ())
    tenants, ids = zip(*conditions.commands, strict=True)
    asked = (
        *(texts(present[0]), integers(present[1]), texts(present[2])),
        *(texts(missing[0]), integers(missing[1])),
        *(texts(tenants), texts(ids)),
    )
    if len(rows) == 1:
        return statements.APPEND_ONE, (1, now_us, *asked, *rows[0])
    columns = columns_of(rows, statements.PREPARED_KINDS)
    return statements.APPEND, (len(rows), now_us, *asked, len(rows), *columns)
