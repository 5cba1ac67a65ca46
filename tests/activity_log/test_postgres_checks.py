"""A database on which the log's guarantees would not hold is refused at start, by name."""

import psycopg
import pytest

from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.errors import LogHeadWrong
from infrastructure.postgres import checks
from infrastructure.postgres.connections import engine, libpq_url, psycopg_url
from infrastructure.postgres.errors import (
    DatabaseNotUtf8,
    DatabaseUnreachable,
    DurabilitySwitchedOff,
    LogNotInstalled,
    PostgresTooOld,
    RoleMayChangeLog,
)
from infrastructure.postgres.install import install
from tests.activity_log.scenes import TickingClock
from tests.support.log_database import APP_ROLE
from tests.support.postgres import PostgresServer, url_with


def opening(url, **more):
    open_postgres_log(url, TickingClock(), **more).close()


def test_a_database_without_the_log_names_the_command_that_installs_it(database):
    with pytest.raises(LogNotInstalled) as refused:
        opening(database)
    assert "optaic-mlops database install" in refused.value.remedy


def test_a_role_that_could_change_the_log_is_refused_unless_it_is_allowed_in_so_many_words(
    database, log_database
):
    with pytest.raises(RoleMayChangeLog, match="postgres"):
        opening(database)
    opening(database, owner_allowed=True)
    opening(log_database)


@pytest.mark.parametrize("right", ["UPDATE", "DELETE", "TRUNCATE"])
def test_a_role_that_was_granted_more_than_an_append_is_refused(database, log_database, right):
    with psycopg.connect(database) as connection:
        connection.execute(f"GRANT {right} ON optaic_log.activity_log TO {APP_ROLE}")  # type: ignore[arg-type]
    with pytest.raises(RoleMayChangeLog):
        opening(log_database)


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_loses_what_it_acknowledged_is_refused(setting):
    server = PostgresServer({setting: "off"})
    try:
        server.start()
        install(server.url)
        with pytest.raises(DurabilitySwitchedOff, match=setting):
            opening(server.url, owner_allowed=True)
    finally:
        server.close()


def test_a_role_that_does_not_wait_for_the_disk_is_refused(database, log_database):
    name = log_database.rpartition("/")[2]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")  # type: ignore[arg-type]
    with pytest.raises(DurabilitySwitchedOff, match="synchronous_commit"):
        opening(log_database)


def test_a_database_of_another_encoding_is_refused(postgres_server):
    name = "latin_log"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        try:
            with pytest.raises(DatabaseNotUtf8, match="LATIN1"):
                install(url_with(postgres_server, database=name))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_an_older_server_is_refused(database, monkeypatch):
    monkeypatch.setattr(checks, "VERSION_MIN", 99)
    with pytest.raises(PostgresTooOld):
        install(database)


def test_a_head_that_is_not_the_last_position_is_refused(database, log_database):
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE optaic_log.log_head SET position = 7")
    with pytest.raises(LogHeadWrong):
        opening(log_database)


def test_a_server_that_does_not_answer_is_unreachable(database):
    with pytest.raises(DatabaseUnreachable):
        opening(url_with(database, database="nowhere"))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_url_is_taken_as_settings_give_it(scheme):
    given = f"{scheme}://ada:secret@db:5433/log?sslmode=require"
    assert libpq_url(given) == "postgresql://ada:secret@db:5433/log?sslmode=require"
    assert psycopg_url(given).drivername == "postgresql+psycopg"


def test_an_engine_names_itself_and_has_its_schema_and_settings(database):
    made = engine(database, application_name="test", schema="optaic_log", settings={"jit": "off"})
    try:
        with made.connect() as connection:
            for name, value in (("application_name", "test"), ("search_path", "optaic_log"), ("jit", "off")):
                assert connection.exec_driver_sql(f"SHOW {name}").scalar() == value
    finally:
        made.dispose()
