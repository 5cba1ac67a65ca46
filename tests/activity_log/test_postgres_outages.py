"""The server goes away and comes back, the network breaks, a writer stops: the log goes on by itself."""

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from infrastructure import failpoints
from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.errors import LogClosed, LogWriteFailed
from infrastructure.postgres.errors import DatabaseUnreachable
from infrastructure.postgres.silent_sessions import end_silent_sessions
from tests.activity_log.scenes import TickingClock, append_many, envelope, uid, write
from tests.support.fault_proxy import FaultProxy
from tests.support.log_database import installed
from tests.support.postgres import PostgresServer, url_with
from tests.support.processes import is_frozen, wait_until

ROOT = Path(__file__).resolve().parents[2]
STALL_S_MAX = 3.5
SILENT_STALL_S_MAX = 9.0
"""Five seconds for the lock, one for a second look."""


@pytest.fixture
def server():
    made = PostgresServer()
    made.start()
    yield made
    made.close()


def test_a_log_outlives_its_servers_crash(server):
    with open_postgres_log(installed(server.url), TickingClock()) as log:
        append_many(log, 3)
        server.kill()
        with pytest.raises(LogWriteFailed):
            log.append(envelope(), [write("lost")])
        with pytest.raises(DatabaseUnreachable):
            log.read(0, 10)
        server.start()
        assert log.append(envelope(), [write("found")]).position == 4
        assert [event.position for event in log.read(0, 10)] == [1, 2, 3, 4]
        assert log.verify().ok


def test_a_server_that_was_restarted_between_two_appends_is_not_noticed(server):
    with open_postgres_log(installed(server.url), TickingClock()) as log:
        append_many(log, 2)
        list(log.read(0, 1))
        server.stop()
        server.start()
        assert [event.position for event in log.read(0, 10)] == [1, 2]
        assert log.append(envelope(), [write("after")]).position == 3


def test_the_head_is_heard_of_again_after_a_restart(server):
    url = installed(server.url)
    with open_postgres_log(url, TickingClock()) as one, open_postgres_log(url, TickingClock()) as two:
        append_many(one, 1)
        server.stop()
        server.start()
        append_many(one, 0)
        one.append(envelope(), [write("after")])
        assert two.wait_beyond(1, 30.0) == 2


@pytest.mark.quiet
def test_an_outage_is_told_to_everyone_who_waits_at_once(server):
    with open_postgres_log(installed(server.url), TickingClock()) as log:
        append_many(log, 1)
        server.kill()
        failed = []

        def append(index):
            try:
                log.append(envelope(), [write(f"s-{index}")])
            except LogWriteFailed as error:
                failed.append(error)

        threads = [threading.Thread(target=append, args=(index,)) for index in range(40)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(failed) == 40
        assert time.monotonic() - began < 10


def test_a_commit_whose_answer_was_lost_is_unknown_and_the_same_command_again_tells(database):
    """The proxy swallows the answer: the server has committed, the client cannot know."""
    given = installed(database)
    port = int(given.rpartition(":")[2].partition("/")[0])
    command = envelope("command")
    with (
        FaultProxy(port) as proxy,
        psycopg.connect(database, autocommit=True) as beside,
        open_postgres_log(url_with(given, port=proxy.port), TickingClock()) as log,
    ):
        append_many(log, 1)
        results = []

        def send():
            try:
                results.append(log.append(command, [write("xgb")]))
            except LogWriteFailed as error:
                results.append(error)

        beside.execute("BEGIN")
        beside.execute("SELECT * FROM optaic_log.log_head FOR UPDATE")
        thread = threading.Thread(target=send)
        thread.start()
        _wait_for_lock(database)
        proxy.freeze()
        beside.execute("COMMIT")
        _wait_for_event(beside, str(uid("command")))
        proxy.cut()
        thread.join()
        assert isinstance(results[0], LogWriteFailed)
        proxy.heal()
        again = log.append(command, [write("xgb")])
        assert (again.repeated, again.position) == (True, 2)


def _wait_for_lock(database):
    from tests.activity_log.test_postgres_shared_log import waits_for_head

    wait_until(lambda: waits_for_head(database), "the append does not wait")


def _wait_for_event(connection, command_id):
    wanted = "SELECT count(*) FROM optaic_log.activity_log WHERE command_id = %s"
    wait_until(lambda: connection.execute(wanted, (command_id,)).fetchone() == (1,), "it is not committed")


@contextmanager
def writer_about_to_stop(url, says, failpoint=""):
    """A process of `stopped_writer` that has said so much; killed in the end."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.activity_log.stopped_writer", url],
        cwd=ROOT,
        env={**os.environ, failpoints.VARIABLE: failpoint},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == f"{says}\n"
        yield child
    finally:
        child.kill()
        child.communicate()


def seconds_of_the_next_append(log):
    """How long it takes; it must be the next event."""
    head, began = log.head(), time.monotonic()
    assert log.append(envelope(), [write("next")]).position == head + 1
    return time.monotonic() - began


@pytest.mark.quiet
def test_a_writer_that_stops_with_the_lock_stalls_nobody_for_long(log_database):
    with open_postgres_log(log_database, TickingClock()) as log:
        append_many(log, 1)
        with writer_about_to_stop(log_database, "holds the head"):
            assert seconds_of_the_next_append(log) < STALL_S_MAX


@pytest.mark.quiet
def test_a_writer_frozen_between_the_messages_of_a_pipeline_stalls_nobody_for_long(log_database):
    with open_postgres_log(log_database, TickingClock()) as log:
        append_many(log, 1)
        with writer_about_to_stop(log_database, "appended", "log.with_lock=freeze") as child:
            log.append(envelope(), [write("between")])
            print(file=child.stdin, flush=True)
            wait_until(lambda: is_frozen(child.pid), "the writer does not come to the failpoint")
            assert seconds_of_the_next_append(log) < SILENT_STALL_S_MAX
            assert log.verify().ok


def test_who_only_works_long_keeps_its_session(database, log_database):
    """A transaction under way that hears from its client, and one that only waits for its own statement."""
    with (
        psycopg.connect(database, autocommit=True) as asking,
        psycopg.connect(database) as working,
        psycopg.connect(database) as sleeping,
    ):
        sleeper = threading.Thread(target=sleeping.execute, args=("SELECT pg_sleep(2)",))
        sleeper.start()
        with working.cursor() as cursor, cursor.copy("COPY (SELECT 1) TO STDOUT") as copy:
            list(copy)
        assert end_silent_sessions(asking, silence_s=0.0) == 0
        sleeper.join()
        assert working.execute("SELECT 1").fetchone() == (1,)


def test_a_connection_that_an_operator_ends_is_replaced(database, log_database):
    with open_postgres_log(log_database, TickingClock()) as log:
        append_many(log, 1)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE %s",
                ("optaic-mlops%",),
            )
        assert log.append(envelope(), [write("after")]).position == 2
        assert log.wait_beyond(1, 30.0) == 2
        assert len(log.read(0, 10)) == 2


def test_a_forked_child_writes_nothing_and_leaves_its_parents_connections_alone(log_database):
    with open_postgres_log(log_database, TickingClock()) as log:
        append_many(log, 2)
        if (child := os.fork()) == 0:
            try:
                log.append(envelope(), [write("child")])
            except LogClosed:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert log.append(envelope(), [write("parent")]).position == 3
        assert len(log.read(0, 10)) == 3
