"""Leases, policy progress, turns and shared secrets as rows and locks of the database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import Engine, update

from application.policies.runner import PoliciesFenced
from infrastructure.activity_log import DatabaseActivityLog, open_postgres_log
from infrastructure.postgres.connections import engine
from infrastructure.postgres.operational import run_lease
from infrastructure.postgres.turns import Turn, lock_number
from infrastructure.roles.policy_progress import PostgresPolicyProgress
from infrastructure.roles.run_leases import PostgresLeaseBook
from infrastructure.roles.slot_progress import PostgresSlotProgress
from infrastructure.roles.wiring import shared_secret
from infrastructure.run_progress import Progress
from tests.activity_log.scenes import TickingClock, append_many


@pytest.fixture
def rows(log_database: str) -> Iterator[Engine]:
    opened = engine(log_database, application_name="test")
    yield opened
    opened.dispose()


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def log(log_database: str, clock: TickingClock) -> Iterator[DatabaseActivityLog]:
    with open_postgres_log(log_database, clock) as opened:
        yield opened


def expire(rows: Engine, run_id: str) -> None:
    with rows.begin() as connection:
        connection.execute(update(run_lease).where(run_lease.c.run_id == run_id).values(expires_at_us=0))


# --- leases


def test_a_running_run_gets_a_lease_and_keeps_it_while_it_is_heard_of(rows: Engine):
    book = PostgresLeaseBook(rows)
    assert book.review(["a", "b"]) == set()
    expire(rows, "a")
    expire(rows, "b")
    book.renew("a")
    assert book.review(["a", "b"]) == {"b"}


def test_leases_go_with_their_runs(rows: Engine):
    book = PostgresLeaseBook(rows)
    book.say("a", Progress(fraction=0.5, message="half"))
    book.review(["b"])
    assert book.of("a") is None
    assert book.review([]) == set()


def test_progress_is_what_was_said_last_and_renewing_leaves_it(rows: Engine):
    book = PostgresLeaseBook(rows)
    book.renew("a")
    assert book.of("a") is None
    book.say("a", Progress(fraction=0.25, message="begins"))
    book.say("a", Progress(fraction=0.75, message="goes on"))
    book.renew("a")
    assert book.of("a") == Progress(fraction=0.75, message="goes on")
    book.forget("a")
    assert book.of("a") is None


# --- policies


def test_a_log_that_no_policy_has_seen_has_no_progress_then_it_has(rows: Engine, log, clock):
    append_many(log, 3)
    progress = PostgresPolicyProgress(rows, log, clock)
    assert progress.load() is None
    progress.save(2)
    assert PostgresPolicyProgress(rows, log, clock).load() == 2


def test_who_took_the_policies_last_moves_them_and_the_former_is_fenced(rows: Engine, log, clock):
    append_many(log, 3)
    former, present = (PostgresPolicyProgress(rows, log, clock) for _ in range(2))
    former.load()
    former.save(1)
    assert present.load() == 1
    with pytest.raises(PoliciesFenced):
        former.save(3)
    present.save(2)
    assert PostgresPolicyProgress(rows, log, clock).load() == 2


def test_progress_of_another_log_counts_for_nothing(rows: Engine, log, clock):
    """A restored log may have another event at the position, or none."""
    append_many(log, 3)
    progress = PostgresPolicyProgress(rows, log, clock)
    progress.load()
    progress.save(3)
    with rows.begin() as connection:
        connection.exec_driver_sql("UPDATE optaic_ops.policy_progress SET event_id = 'of another log'")
    assert PostgresPolicyProgress(rows, log, clock).load() is None
    with rows.begin() as connection:
        connection.exec_driver_sql("UPDATE optaic_ops.policy_progress SET position = 99")
    assert PostgresPolicyProgress(rows, log, clock).load() is None


def test_progress_on_an_empty_log_counts_only_where_events_came_after_it(rows: Engine, log, clock):
    """Older events came with an import: policies never act on them."""
    progress = PostgresPolicyProgress(rows, log, clock)
    progress.load()
    progress.save(0)
    assert PostgresPolicyProgress(rows, log, clock).load() == 0
    with rows.begin() as connection:
        connection.exec_driver_sql("UPDATE optaic_ops.policy_progress SET saved_at_us = 4000000000000000")
    append_many(log, 1)
    assert PostgresPolicyProgress(rows, log, clock).load() is None


# --- schedules


def test_where_no_scheduler_was_it_has_no_moment_then_the_one_saved_last(rows: Engine, log, clock):
    append_many(log, 3)
    progress = PostgresSlotProgress(rows, log)
    assert progress.load() is None
    for minute in (1, 2):
        progress.save(datetime(2026, 3, 2, 9, minute, tzinfo=UTC), 2)
    assert PostgresSlotProgress(rows, log).load() == datetime(2026, 3, 2, 9, 2, tzinfo=UTC)


def test_a_moment_of_another_log_counts_for_nothing(rows: Engine, log, clock):
    """A restored log may have another event at the position, or an imported one began before."""
    append_many(log, 3)
    progress = PostgresSlotProgress(rows, log)
    progress.save(datetime(2026, 3, 2, tzinfo=UTC), 3)
    with rows.begin() as connection:
        connection.exec_driver_sql("UPDATE optaic_ops.slot_progress SET event_id = 'of another log'")
    assert progress.load() is None
    progress.save(datetime(2099, 1, 1, tzinfo=UTC), 0)
    assert progress.load() is None


# --- turns and secrets


def test_one_has_the_turn_until_it_lets_go_or_its_session_ends(log_database: str, rows: Engine):
    with Turn(log_database, "t") as mine, Turn(log_database, "t") as other, Turn(log_database, "u") as apart:
        assert (mine.take(), mine.take(), other.take(), apart.take()) == (True, True, False, True)
        assert mine.is_held()
        mine.release()
        assert (mine.is_held(), other.take()) == (False, True)
        with rows.begin() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE application_name = 'optaic-mlops turn t'"
            )
        assert not other.is_held()
        assert mine.take()


def test_a_turn_that_was_let_go_can_be_taken_at_once(log_database: str):
    """By a session that is open already: opening one would give the other's end time to be noticed."""
    with Turn(log_database, "t") as one, psycopg.connect(log_database, autocommit=True) as beside:
        for _ in range(20):
            assert one.take()
            one.release()
            number = (lock_number("t"),)
            assert beside.execute("SELECT pg_try_advisory_lock(%s)", number).fetchone() == (True,)
            beside.execute("SELECT pg_advisory_unlock(%s)", number)


def test_all_processes_share_one_secret_whoever_asks_first(rows: Engine):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: shared_secret(rows, "run-tokens"), range(16)))
    assert len(found) == 1
    assert len(found.pop()) == 32
    assert shared_secret(rows, "another") != shared_secret(rows, "run-tokens")
