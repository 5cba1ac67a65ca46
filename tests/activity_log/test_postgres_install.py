"""What an owner installs: again and twice at once is once, and nobody changes what is recorded."""

import threading

import psycopg
import pytest
from psycopg.errors import (
    CheckViolation,
    InsufficientPrivilege,
    RestrictViolation,
    UniqueViolation,
)

from infrastructure.activity_log import open_postgres_log
from infrastructure.postgres.errors import DatabaseUnreachable, LogFormForeign
from infrastructure.postgres.install import install
from tests.activity_log.scenes import TickingClock, append_many
from tests.support.log_database import APP_ROLE
from tests.support.postgres import url_with

CHANGES = {
    "an update": "UPDATE optaic_log.activity_log SET reason = 'x'",
    "an update of nothing": "UPDATE optaic_log.activity_log SET reason = 'x' WHERE false",
    "a deletion": "DELETE FROM optaic_log.activity_log",
    "a truncation": "TRUNCATE optaic_log.activity_log",
    "an upsert": """INSERT INTO optaic_log.activity_log SELECT * FROM optaic_log.activity_log
        ON CONFLICT (position) DO UPDATE SET reason = 'x'""",
    "a head that is deleted": "DELETE FROM optaic_log.log_head",
    "a head that is truncated": "TRUNCATE optaic_log.log_head",
}
HEADS = {
    "a head that shrinks": ("UPDATE optaic_log.log_head SET position = position - 1", RestrictViolation),
    "a time that runs back": ("UPDATE optaic_log.log_head SET recorded_at_us = 1", RestrictViolation),
    "a head that is another": ("UPDATE optaic_log.log_head SET id = 2", RestrictViolation),
}


def tables(url):
    with psycopg.connect(url) as connection:
        return connection.execute(
            """SELECT relnamespace::regnamespace::text, relname, relkind::text FROM pg_class
            WHERE relnamespace::regnamespace::text LIKE 'optaic%' ORDER BY 1, 2"""
        ).fetchall()


@pytest.fixture
def three_events(log_database):
    with open_postgres_log(log_database, TickingClock()) as log:
        append_many(log, 3)
    return log_database


def test_installing_again_changes_nothing_that_stands(database, three_events):
    before = tables(database)
    with open_postgres_log(three_events, TickingClock()) as log:
        epoch, log_hash = log.epoch, log.log_hash()
    install(database, APP_ROLE)
    with open_postgres_log(three_events, TickingClock()) as log:
        assert (log.epoch, log.log_hash(), log.head()) == (epoch, log_hash, 3)
    assert tables(database) == before


def test_two_installations_at_once_are_one(database):
    failures = []

    def run():
        try:
            install(database)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM optaic_ops.store_epoch").fetchone() == (1,)
        assert connection.execute("SELECT * FROM optaic_log.log_head").fetchall() == [(1, 0, 0)]


def test_each_database_has_an_epoch_of_its_own(database, log_database, postgres_server):
    from tests.support.log_database import installed
    from tests.support.postgres import fresh_database

    with (
        fresh_database(postgres_server) as another,
        open_postgres_log(log_database, TickingClock()) as one,
        open_postgres_log(installed(another), TickingClock()) as two,
    ):
        assert one.epoch
        assert one.epoch != two.epoch


def test_tables_of_a_later_form_are_left_alone(database, log_database):
    with psycopg.connect(database) as connection:
        connection.execute("COMMENT ON SCHEMA optaic_log IS 'optaic-mlops activity log, form 2'")
    with pytest.raises(LogFormForeign, match="form 2"):
        install(database)
    with pytest.raises(LogFormForeign):
        open_postgres_log(log_database, TickingClock())


def test_a_server_that_is_not_there_is_said_to_be_unreachable(database):
    with pytest.raises(DatabaseUnreachable):
        install(url_with(database, database="nowhere"))


@pytest.mark.parametrize("change", CHANGES)
def test_not_even_the_owner_can_make(database, three_events, change):
    with psycopg.connect(database) as connection, pytest.raises(RestrictViolation, match="append-only"):
        connection.execute(CHANGES[change])  # type: ignore[arg-type]


@pytest.mark.parametrize("change", CHANGES)
def test_the_application_cannot_make(three_events, change):
    with psycopg.connect(three_events) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(CHANGES[change])  # type: ignore[arg-type]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("is_owner", [True, False])
def test_nobody_can_make(database, three_events, head, is_owner):
    statement, error = HEADS[head]
    with psycopg.connect(database if is_owner else three_events) as connection, pytest.raises(error):
        connection.execute(statement)  # type: ignore[arg-type]


def test_a_second_head_is_refused(database, three_events):
    for number, error in ((1, UniqueViolation), (2, CheckViolation)):
        with psycopg.connect(database) as connection, pytest.raises(error):
            connection.execute("INSERT INTO optaic_log.log_head VALUES (%s, 9, 9)", (number,))


def test_a_session_that_calls_itself_a_replica_does_not_walk_past_the_guards(database, three_events):
    with psycopg.connect(database) as connection:
        connection.execute("SET session_replication_role = replica")
        with pytest.raises(RestrictViolation):
            connection.execute("DELETE FROM optaic_log.activity_log")


def test_the_application_owns_nothing_of_the_log_and_makes_its_views_itself(three_events):
    with psycopg.connect(three_events) as connection:
        connection.execute("CREATE TABLE optaic_views.mine (n integer)")
        with pytest.raises(InsufficientPrivilege):
            connection.execute("CREATE TABLE optaic_log.mine (n integer)")
