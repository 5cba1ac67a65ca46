"""Views in one SQLite file.

WAL with `synchronous=NORMAL`: a commit does not wait for the disk. A power cut may take the last commits
back, never half of one, and rows and position go back together; the projector then folds those events again
from the log, which is the durable truth. Every write transaction is BEGIN IMMEDIATE, because a read that
turns into a write fails at once when another writer was first.
"""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import ColumnElement, Connection, Engine, Float, create_engine, event, func, type_coerce

from projections.engine.generations import StoredRelation
from projections.engine.store import TableChanges
from projections.temporal import OPEN, Key, Values

_PRAGMAS = (
    "busy_timeout=30000",
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "cache_size=-65536",
    "wal_autocheckpoint=8192",
)
"""The log may grow to 32 MiB before it is taken into the file: a rebuild then syncs every few pages, not at
each.
"""


def _engine(path: Path, *, read_only: bool) -> Engine:
    engine = create_engine(f"sqlite:///{path}", module=dbapi2, pool_size=8, max_overflow=32)

    @event.listens_for(engine, "connect")
    def configure(raw: Any, _record: object) -> None:
        raw.isolation_level = None
        for pragma in _PRAGMAS:
            raw.execute(f"PRAGMA {pragma}").fetchall()
        if read_only:
            raw.execute("PRAGMA query_only=ON").fetchall()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


class SqliteViews:
    """Views in a file; `projections.engine.store.ViewStore`."""

    away: tuple[type[Exception], ...] = ()
    """A file is there or the service is not."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = _engine(path, read_only=False)
        self._reader = _engine(path, read_only=True)
        with self._writer.connect() as connection:
            connection.rollback()

    @contextmanager
    def write(self) -> Generator[Connection]:
        """A write transaction, exclusive from its beginning; rolled back by an error."""
        with self._writer.begin() as connection:
            yield connection

    def arrange(self) -> AbstractContextManager[Connection]:
        """Every write transaction is exclusive here."""
        return self.write()

    @contextmanager
    def read(self) -> Generator[Connection]:
        """An unchanging snapshot from the first statement on."""
        with self._reader.begin() as connection:
            yield connection

    def wait_until_unread(self) -> None:
        """A snapshot of a file keeps the tables that are dropped after it."""

    def write_rows(self, connection: Connection, changes: Sequence[TableChanges]) -> None:
        """By the driver's executemany, rows that end by their primary key."""
        cursor: Any = connection.connection.cursor()
        for stored, inserts, closes in changes:
            if closes:
                cursor.executemany(_end_of(stored), closes)
            if inserts:
                cursor.executemany(_insert_of(stored), inserts)

    def look_ups(self) -> "SqliteLookUps":
        """A connection for the look-ups of one fold."""
        return SqliteLookUps(self._reader)

    def json_number(self, column: ColumnElement[Any], name: str) -> ColumnElement[Any]:
        """The number under a name in a JSON object held as text."""
        return type_coerce(func.json_extract(column, f'$."{name}"'), Float)

    def close(self) -> None:
        """Close every connection."""
        self._reader.dispose()
        self._writer.dispose()


class SqliteLookUps:
    """Reads single rows over a driver connection of its own, each as it was committed last."""

    def __init__(self, engine: Engine) -> None:
        self._pooled = engine.raw_connection()
        self._raw: Any = self._pooled.driver_connection
        self._statements: dict[str, str] = {}

    def find(self, stored: StoredRelation, key: Key) -> Values | None:
        """Columns of the row of a key; of a temporal relation the open row, ending in its `valid_from`."""
        name = stored.table.name
        statement = self._statements.get(name)
        if statement is None:
            statement = self._statements[name] = _look_up(stored)
        return self._raw.execute(statement, key).fetchone()

    def close(self) -> None:
        """Give the connection back."""
        self._pooled.close()


def _look_up(stored: StoredRelation) -> str:
    relation = stored.relation
    columns = relation.columns[:-1] if relation.temporal else relation.columns
    where = [f"{name} = ?" for name in relation.key_fields] + (
        [f"valid_to = {OPEN}"] if relation.temporal else []
    )
    return f"SELECT {', '.join(columns)} FROM {stored.table.name} WHERE {' AND '.join(where)}"  # noqa: S608  our own names


def _end_of(stored: StoredRelation) -> str:
    key = " AND ".join(f"{name} = ?" for name in stored.relation.primary_key)
    return f"UPDATE {stored.table.name} SET valid_to = ? WHERE {key}"  # noqa: S608  our own names


def _insert_of(stored: StoredRelation) -> str:
    columns = stored.relation.columns
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {stored.table.name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608  our own names
