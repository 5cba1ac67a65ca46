"""Where the tests of the read side keep views: in files, or in databases that are emptied, not made anew."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import psycopg

from infrastructure.postgres.install import VIEWS_SCHEMA, install
from infrastructure.views import Views, open_views, open_views_on_postgres
from infrastructure.views.postgres import PostgresViews
from infrastructure.views.sqlite import SqliteViews
from tests.projections.support.memory_log import MemoryLog
from tests.support.postgres import fresh_database

OPERATIONAL = ("relay_progress", "relay_partition")


class ViewDatabases:
    """Databases with everything installed and no views; given back, they serve the next test."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._free: list[str] = []
        self._made = ExitStack()

    def take(self) -> str:
        """A database without views, which a relay has never seen."""
        if self._free:
            return self._free.pop()
        url = self._made.enter_context(fresh_database(self._server))
        install(url)
        return url

    def give_back(self, url: str) -> None:
        """Empty it for the next one."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {VIEWS_SCHEMA} CASCADE; CREATE SCHEMA {VIEWS_SCHEMA}")  # type: ignore[arg-type]
            for table in OPERATIONAL:
                connection.execute(f"DELETE FROM optaic_ops.{table}")  # type: ignore[arg-type]
        self._free.append(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._made.close()


class SqlitePlaces:
    """Files in a folder."""

    all_tables = "SELECT name FROM sqlite_master WHERE type = 'table'"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def store(self, name: str) -> SqliteViews:
        """The store of a name."""
        return SqliteViews(self._folder / f"{name}.sqlite")

    def views(self, name: str, log: MemoryLog, **settings: Any) -> Views:
        """The views of a name."""
        return open_views(self._folder / f"{name}.sqlite", log, **settings)


class PostgresPlaces:
    """Databases, one a name."""

    all_tables = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{VIEWS_SCHEMA}'"

    def __init__(self, databases: ViewDatabases) -> None:
        self._databases = databases
        self._taken: dict[str, str] = {}

    def url(self, name: str) -> str:
        """The database of a name."""
        if name not in self._taken:
            self._taken[name] = self._databases.take()
        return self._taken[name]

    def store(self, name: str) -> PostgresViews:
        """The store of a name."""
        return PostgresViews(self.url(name))

    def views(self, name: str, log: MemoryLog, **settings: Any) -> Views:
        """The views of a name, folded in this process."""
        return open_views_on_postgres(self.url(name), log, **settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for url in self._taken.values():
            self._databases.give_back(url)
