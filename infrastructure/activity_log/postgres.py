"""The log on PostgreSQL: sessions and their settings, readers, and what follows other processes' commits."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import PoolProxiedConnection

from infrastructure.activity_log.postgres_head import HeadFollower
from infrastructure.activity_log.postgres_session import PostgresWriteSession, translated
from infrastructure.activity_log.record import Row
from infrastructure.postgres import operational
from infrastructure.postgres.checks import LOG_SCHEMA, refuse_unfit
from infrastructure.postgres.connections import connect_arguments, engine, libpq_url
from infrastructure.postgres.errors import DatabaseUnreachable

_STEADY_PLANS = {
    "jit": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""Every statement of the log looks rows up by an index or reads in order, planned on an empty table too."""
WRITER_SETTINGS = {
    **_STEADY_PLANS,
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "2s",
    "lock_timeout": "5s",
}
"""A writer that stops between lock and commit must not stall the others for longer than that."""
READER_SETTINGS = {
    **_STEADY_PLANS,
    "plan_cache_mode": "force_custom_plan",
    "default_transaction_read_only": "on",
}
STREAM_PAGE = 2_000
"""Rows that a server-side cursor brings at once."""

POOL_SIZE, OVERFLOW = 16, 0
"""Opened as they are needed, and kept: one that comes and goes costs the server a process each time."""

_EPOCH = f"SELECT epoch FROM {operational.SCHEMA}.store_epoch"  # noqa: S608

_translated = lru_cache(maxsize=256)(translated)


class PostgresReadConnections:
    """Read-only connections, one a thread at a time."""

    def __init__(self, database_url: str, application_name: str) -> None:
        self._closed = False
        self._engine = engine(
            database_url,
            application_name=application_name,
            schema=LOG_SCHEMA,
            settings=READER_SETTINGS,
            pool_size=POOL_SIZE,
            overflow=OVERFLOW,
            autocommit=True,
        )

    def check(self, *, owner_allowed: bool) -> None:
        """Raises what `checks.refuse_unfit` does, and DatabaseUnreachable."""
        with reached(), self._engine.connect() as connection:
            refuse_unfit(connection, owner_allowed=owner_allowed)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement and fetch everything. Raises DatabaseUnreachable."""
        with reached():
            pooled, cursor = self._run_first(statement, parameters)
            try:
                return cursor.fetchall()
            finally:
                self._give_back(pooled)

    @contextmanager
    def snapshot(self) -> Iterator["PostgresSnapshot"]:
        """One unchanging view of the log for several statements. Raises DatabaseUnreachable."""
        with reached():
            pooled, _ = self._run_first("BEGIN ISOLATION LEVEL REPEATABLE READ")
            raw: Any = pooled.driver_connection
            try:
                yield PostgresSnapshot(raw)
                raw.execute("ROLLBACK")
            except BaseException:
                pooled.invalidate()
                raise
            finally:
                self._give_back(pooled)

    def _give_back(self, pooled: PoolProxiedConnection) -> None:
        """A reader that is still at it when the log is closed ends its connection itself."""
        if self._closed:
            pooled.invalidate()
        pooled.close()

    def _run_first(self, statement: str, parameters: Sequence[Any] = ()) -> tuple[PoolProxiedConnection, Any]:
        """Run a statement on a connection of the pool; those lost while they lay idle are replaced."""
        lost = 0
        while True:
            pooled = self._engine.raw_connection()
            raw: Any = pooled.driver_connection
            try:
                return pooled, _execute(raw, statement, parameters)
            except BaseException:
                lost += raw.closed
                pooled.invalidate()
                if not raw.closed or lost > POOL_SIZE + OVERFLOW:
                    raise

    def close(self) -> None:
        """Close every connection that is not in use, and those in use when they are given back."""
        self._closed = True
        self._engine.dispose()

    def forget(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._engine.dispose(close=False)


class PostgresSnapshot:
    """A read transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement and fetch everything."""
        return _execute(self._connection, statement, parameters).fetchall()

    def stream(self, statement: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """Run one statement and fetch page by page."""
        with self._connection.cursor(name="log_stream", binary=True) as cursor:
            cursor.itersize = STREAM_PAGE
            cursor.execute(_translated(statement), parameters or None)
            yield from cursor


@contextmanager
def reached() -> Iterator[None]:
    """The driver's errors of a server that does not answer, by name. Raises DatabaseUnreachable."""
    try:
        yield
    except OperationalError as error:
        raise DatabaseUnreachable(str(error.orig)) from error
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(str(error)) from error


def _execute(connection: Any, statement: str, parameters: Sequence[Any]) -> Any:
    return connection.execute(_translated(statement), parameters or None, binary=True)


class PostgresDialect:
    """PostgreSQL as the log's database: one writer connection, many readers, one that listens."""

    driver_errors: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, database_url: str, application_name: str = "optaic-mlops") -> None:
        self._url = libpq_url(database_url)
        self._name = application_name
        self._readers = PostgresReadConnections(database_url, f"{application_name} log reader")
        self._follower: HeadFollower | None = None

    def check(self, *, owner_allowed: bool = False) -> None:
        """Raises what is wrong with the server, the tables or the role."""
        self._readers.check(owner_allowed=owner_allowed)

    def write_session(self) -> PostgresWriteSession:
        """The writer's connection; it is made when it is first needed."""
        arguments = connect_arguments(f"{self._name} log writer", LOG_SCHEMA, WRITER_SETTINGS)
        return PostgresWriteSession(lambda: psycopg.connect(self._url, autocommit=True, **arguments))

    def readers(self) -> PostgresReadConnections:
        """The connections of the readers."""
        return self._readers

    def follow(self, advance: Callable[[int], None]) -> None:
        """Tell of every commit, whichever process made it."""
        arguments = connect_arguments(f"{self._name} log listener", LOG_SCHEMA, READER_SETTINGS)
        self._follower = HeadFollower(
            lambda: psycopg.connect(self._url, autocommit=True, **arguments), advance
        )

    def epoch(self) -> str:
        """The life of this log, as a restore begins it."""
        return self._readers.rows(_EPOCH)[0][0]

    def close(self) -> None:
        """Close every connection."""
        if self._follower is not None:
            self._follower.close()
        self._readers.close()

    def forget(self) -> None:
        """In a forked child: everything is the parent's."""
        self._readers.forget()
