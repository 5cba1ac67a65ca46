"""The log on SQLite: engines, settings and the version policy.

SQLite comes from `pysqlite3`, which bundles its own: below 3.51.3 a WAL with several connections can lose
commits (the WAL-reset bug), so older libraries get a rollback journal.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pysqlite3 import dbapi2
from sqlalchemy import URL, Engine, QueuePool, create_engine, event

from infrastructure.activity_log import schema
from infrastructure.activity_log.errors import LogFileForeign, SqliteSettingRefused, SqliteTooOld
from infrastructure.activity_log.record import Row
from infrastructure.activity_log.sqlite_guards import create_guards
from infrastructure.activity_log.sqlite_session import SqliteWriteSession

driver: Any = dbapi2
"""The SQLite driver; Any, for it is compiled and ships no types."""

APPLICATION_ID = 0x4F70744C
"""`OptL`: marks the file as an activity log."""
VERSION_MIN = (3, 38, 0)
VERSION_SAFE_WAL = (3, 51, 3)
BUSY_TIMEOUT_MS = 10_000
CHECKPOINT_PAGES = 1_000

JournalMode: TypeAlias = Literal["wal", "delete"]
Settings: TypeAlias = dict[str, int | str]


def journal_mode_for(version: tuple[int, ...]) -> JournalMode:
    """WAL where it is safe, else a rollback journal. Raises SqliteTooOld below 3.38."""
    if version < VERSION_MIN:
        raise SqliteTooOld(f"SQLite {'.'.join(map(str, version))}", needs=".".join(map(str, VERSION_MIN)))
    return "wal" if version >= VERSION_SAFE_WAL else "delete"


def apply_settings(connection: Any, settings: Settings) -> None:
    """Set each pragma on a driver connection and read it back. Raises SqliteSettingRefused."""
    for name, value in settings.items():
        connection.execute(f"PRAGMA {name} = {value}").fetchall()
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != value:
            raise SqliteSettingRefused(f"{name} is {found!r}, not {value!r}", setting=name)


def writer_settings(journal_mode: JournalMode) -> Settings:
    """What every write connection must have; synchronous 2 is FULL."""
    return {
        "busy_timeout": BUSY_TIMEOUT_MS,
        "journal_mode": journal_mode,
        "synchronous": 2,
        "recursive_triggers": 1,
        "trusted_schema": 0,
        "wal_autocheckpoint": CHECKPOINT_PAGES,
    }


READER_SETTINGS: Settings = {
    "busy_timeout": BUSY_TIMEOUT_MS,
    "query_only": 1,
    "recursive_triggers": 1,
    "trusted_schema": 0,
}
"""What every read connection must have."""


def _engine(
    path: Path, settings: Settings, begin: str, *, pool_size: int, overflow: int, read_only: bool
) -> Engine:
    query = {"mode": "ro" if read_only else "rwc", "uri": "true"}
    engine = create_engine(
        URL.create("sqlite", database=path.absolute().as_uri(), query=query),
        module=driver,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=overflow,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _on_connect(raw: Any, _: object) -> None:
        raw.isolation_level = None
        apply_settings(raw, settings)

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


class SqliteReadConnections:
    """Read connections (`query_only`) of one log file, one a thread at a time."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """`read_only` opens a file that another process may own."""
        self._engine = _engine(path, READER_SETTINGS, "BEGIN", pool_size=8, overflow=120, read_only=read_only)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement and fetch everything."""
        pooled = self._engine.raw_connection()
        try:
            return pooled.driver_connection.execute(statement, parameters).fetchall()  # type: ignore[union-attr]
        finally:
            pooled.close()

    @contextmanager
    def snapshot(self) -> Iterator["SqliteSnapshot"]:
        """One unchanging view of the log for several statements."""
        pooled = self._engine.raw_connection()
        try:
            pooled.driver_connection.execute("BEGIN")  # type: ignore[union-attr]
            yield SqliteSnapshot(pooled.driver_connection)
        finally:
            pooled.close()

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._engine.dispose()


class SqliteSnapshot:
    """A read transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Run one statement and fetch everything."""
        return self._connection.execute(statement, parameters).fetchall()

    def stream(self, statement: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """Run one statement and fetch row by row."""
        return iter(self._connection.execute(statement, parameters))


class SqliteDialect:
    """SQLite as the log's database: one writer connection, many readers."""

    driver_errors: tuple[type[Exception], ...] = (driver.Error,)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal_mode: JournalMode = journal_mode_for(driver.sqlite_version_info)
        settings = writer_settings(self.journal_mode)
        self._engine = _engine(path, settings, "BEGIN IMMEDIATE", pool_size=1, overflow=1, read_only=False)
        self._readers = SqliteReadConnections(path)

    def create_tables(self) -> None:
        """Create tables, guards and the head row where they are missing. Raises LogFileForeign."""
        with self._engine.begin() as connection:
            marks = (_pragma(connection, "application_id"), _pragma(connection, "user_version"))
            if marks not in ((0, 0), (APPLICATION_ID, schema.FORM)):
                raise LogFileForeign(f"{self.path.name} is marked {marks[0]:#x} form {marks[1]}")
            schema.metadata.create_all(connection)
            connection.exec_driver_sql(schema.TYPE_INDEX.format(table="activity_log"))
            create_guards(connection)
            if connection.execute(schema.log_head.select()).first() is None:
                connection.execute(schema.log_head.insert().values(id=1, position=0, recorded_at_us=0))
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {schema.FORM}")

    def write_session(self) -> SqliteWriteSession:
        """Open the writer's connection."""
        return SqliteWriteSession(self._engine.raw_connection())

    def readers(self) -> SqliteReadConnections:
        """The connections of the readers."""
        return self._readers

    def follow(self, advance: Callable[[int], None]) -> None:
        """Nothing to follow: this process makes every commit."""

    def epoch(self) -> str:
        """None: nothing outside follows a file."""
        return ""

    def forget(self) -> None:
        """Nothing to let go of: the files are the parent's, and a child that never writes harms nothing."""

    def close(self) -> None:
        """Close every connection; the last one of the file folds the write-ahead log into it."""
        self._readers.close()
        self._engine.dispose()


def _pragma(connection: Any, name: str) -> int:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar()
