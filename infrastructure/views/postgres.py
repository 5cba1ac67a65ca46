"""Views in PostgreSQL, in a schema of their own.

New rows go straight into their table by COPY: a fold only ever inserts rows that are new, so there is nothing
to merge, and a staging table would write each row twice. Rows that end are closed by one UPDATE from arrays.
A COPY takes two rounds to the server, so the few rows of a page of few events are inserted one by one, in one
pipeline for all tables.
Texts compare in "C" order, so that lists, cursors and state hashes are those of SQLite.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import psycopg
from sqlalchemy import ColumnElement, Connection, Float, cast, func, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import InterfaceError, OperationalError

from infrastructure.failpoints import hit
from infrastructure.postgres.connections import connect_arguments, engine, libpq_url
from infrastructure.postgres.install import VIEWS_SCHEMA
from infrastructure.postgres.silent_sessions import end_silent_sessions
from projections.engine.generations import StoredRelation
from projections.engine.store import TableChanges
from projections.temporal import OPEN, Key, Values

CHANNEL = "optaic_views"
"""Who waits for a view listens here."""
_ARRANGE = 0x4F707456
"""The advisory lock of whoever makes, swaps or drops generations: `OptV`."""
_KINDS = {int: "int8", str: "text", float: "float8", bytes: "bytea"}
_SETTINGS = {
    "jit": "off",
    "synchronous_commit": "off",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "5s",
}
"""A commit need not wait for the disk: rows and position go back together, and are folded again. A process
that is frozen inside a transaction is cut off, so that another can take its partitions.
"""
FEW = 4
"""Up to so many new rows of a table INSERT costs less than COPY."""
_UNREAD_S = 30.0
_LOOK_S = 0.02
_READING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
AND xact_start < %s
"""
T = TypeVar("T")
_logger = logging.getLogger(__name__)


class PostgresViews:
    """`projections.engine.store.ViewStore` over PostgreSQL."""

    away: tuple[type[Exception], ...] = (
        OperationalError,
        InterfaceError,
        psycopg.OperationalError,
        psycopg.InterfaceError,
    )

    def __init__(self, database_url: str, application_name: str = "optaic-mlops views") -> None:
        self._url = libpq_url(database_url)
        self._look_ups = PostgresLookUps(
            self._url, connect_arguments(f"{application_name} look-ups", VIEWS_SCHEMA)
        )
        given: dict[str, Any] = {"application_name": application_name, "schema": VIEWS_SCHEMA}
        self._writer = engine(database_url, **given, settings=_SETTINGS, pool_size=8, overflow=24)
        self._reader = engine(
            database_url, **given, settings={"jit": "off"}, pool_size=32, overflow=8
        ).execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def write(self) -> Generator[Connection]:
        """A write transaction; rolled back by an error."""
        with self._writer.begin() as connection:
            yield connection

    @contextmanager
    def arrange(self) -> Generator[Connection]:
        """A write transaction that waits until nobody else arranges generations."""
        with self._writer.begin() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_ARRANGE,))
            yield connection

    @contextmanager
    def read(self) -> Generator[Connection]:
        """An unchanging snapshot from the first statement on."""
        with self._reader.begin() as connection:
            yield connection

    def patiently(self, act: Callable[[], T]) -> T:
        """Once more, after those who kept a lock without a word have lost their sessions: a process that is
        frozen while it sends rows is not idle for the server, and would keep its rows for ever.
        """
        try:
            return act()
        except OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise
            arguments = connect_arguments("optaic-mlops views")
            with psycopg.connect(self._url, autocommit=True, **arguments) as connection:
                if not end_silent_sessions(connection):
                    raise
        return act()

    def wait_until_unread(self) -> None:
        """Wait for the end of every transaction that began before: a dropped table is gone for it too.

        Sees the sessions of its own role; those of other roles nobody waits for.
        """
        with self.write() as connection:
            before = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
        deadline = time.monotonic() + _UNREAD_S
        while time.monotonic() < deadline:
            with self.write() as connection:
                if not connection.exec_driver_sql(_READING, (before,)).scalar_one():
                    return
            time.sleep(_LOOK_S)  # other sessions' transactions: nothing tells of their end
        _logger.warning("tables are dropped although transactions from before still run")

    def write_rows(self, connection: Connection, changes: Sequence[TableChanges]) -> None:
        """What ends, and tables with few new rows, in one round to the server; the other tables by COPY."""
        raw = _raw(connection)
        with raw.pipeline():
            for stored, inserts, closes in changes:
                if closes:
                    _end(raw, stored, closes)
                if len(inserts) <= FEW:
                    _insert(raw, stored, inserts)
            raw.execute(f"NOTIFY {CHANNEL}")
            hit("projection.within_rows")
        for stored, inserts, _ in changes:
            if len(inserts) > FEW:
                _copy(raw, stored, inserts)

    def look_ups(self) -> "SharedLookUps":
        """Look-ups over the one connection that all folds here share."""
        return SharedLookUps(self._look_ups)

    def json_number(self, column: ColumnElement[Any], name: str) -> ColumnElement[Any]:
        """The number under a name in a JSON object held as text."""
        found = func.jsonb_extract_path_text(cast(column, JSONB), name)
        return type_coerce(cast(found, Float(53)), Float)

    def tell(self) -> None:
        """Wake those who wait for a view, in every process."""
        with self._writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"NOTIFY {CHANNEL}")

    def close(self) -> None:
        """Close every connection."""
        self._look_ups.close()
        self._reader.dispose()
        self._writer.dispose()


class PostgresLookUps:
    """Reads single rows over a connection of its own, each as it was committed last; connects again when the
    server was away.
    """

    def __init__(self, url: str, arguments: dict[str, Any]) -> None:
        self._url = url
        self._arguments = arguments
        self._raw: Any = None
        self._lock = threading.Lock()

    def find(self, stored: StoredRelation, key: Key) -> Values | None:
        """Columns of the row of a key; of a temporal relation the open row, ending in its `valid_from`."""
        relation = stored.relation
        columns = relation.columns[:-1] if relation.temporal else relation.columns
        statement = _look_up_of(stored.table.name, columns, relation.key_fields, relation.temporal)
        with self._lock:
            if self._raw is None or self._raw.closed:
                self._raw = psycopg.connect(self._url, autocommit=True, **self._arguments)
            try:
                return self._raw.execute(statement, key, prepare=True, binary=True).fetchone()
            except psycopg.OperationalError:
                self._raw.close()
                raise

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            if self._raw is not None:
                self._raw.close()


class SharedLookUps:
    """One fold's part of a shared connection."""

    def __init__(self, shared: PostgresLookUps) -> None:
        self.find = shared.find

    def close(self) -> None:
        """Nothing is its own."""


def _raw(connection: Connection) -> Any:
    """The driver's connection of a transaction."""
    return connection.connection.driver_connection


def _end(raw: Any, stored: StoredRelation, closes: Sequence[Values]) -> None:
    """Close rows by their primary key, all in one statement."""
    statement = _end_of(stored.table.name, stored.relation.primary_key, stored.relation.kinds)
    raw.execute(statement, [list(column) for column in zip(*closes, strict=True)])


def _insert(raw: Any, stored: StoredRelation, rows: Sequence[Values]) -> None:
    statement = _insert_of(stored.table.name, stored.relation.columns)
    for row in rows:
        raw.execute(statement, row)


def _copy(raw: Any, stored: StoredRelation, rows: Sequence[Values]) -> None:
    statement, kinds = _copy_of(stored.table.name, stored.relation.columns, stored.relation.kinds)
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(kinds)
        for row in rows:
            copy.write_row(row)
        hit("projection.within_rows")


@cache
def _copy_of(table: str, columns: tuple[str, ...], kinds: tuple[type, ...]) -> tuple[str, list[str]]:
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    return statement, [_KINDS[kind] for kind in kinds]


@cache
def _insert_of(table: str, columns: tuple[str, ...]) -> str:
    marks = ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608  our own names


@cache
def _end_of(table: str, key: tuple[str, ...], kinds: tuple[type, ...]) -> str:
    names = ("ends", *key)
    types = ("int8", *(_KINDS[kind] for kind in kinds[: len(key) - 1]), "int8")
    arrays = ", ".join(f"%s::{kind}[]" for kind in types)
    same = " AND ".join(f"{table}.{name} = closed.{name}" for name in key)
    return (
        f"UPDATE {table} SET valid_to = closed.ends "  # noqa: S608  our own names
        f"FROM unnest({arrays}) AS closed ({', '.join(names)}) WHERE {same}"
    )


@cache
def _look_up_of(table: str, columns: tuple[str, ...], key: tuple[str, ...], temporal: bool) -> str:  # noqa: FBT001
    where = [f"{name} = %s" for name in key] + ([f"valid_to = {OPEN}"] if temporal else [])
    return f"SELECT {', '.join(columns)} FROM {table} WHERE {' AND '.join(where)}"  # noqa: S608  our own names
