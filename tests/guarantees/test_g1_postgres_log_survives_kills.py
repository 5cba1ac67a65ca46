"""G1, the log on PostgreSQL: no acknowledged event is lost, whichever process is killed: writer or server."""

import random
import threading

import psycopg
import pytest

from infrastructure import failpoints
from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.errors import LogWriteFailed
from infrastructure.activity_log.postgres import READER_SETTINGS, WRITER_SETTINGS, PostgresDialect
from tests.activity_log.scenes import TickingClock, envelope, write
from tests.guarantees.log_kills import Zygote, assert_nothing_lost, retry_what_is_unknown
from tests.support.log_database import installed
from tests.support.postgres import PostgresServer

KILLS_A_FAILPOINT = 10
RANDOM_KILLS = 100
SERVER_KILLS = 3
CALLERS = 4


@pytest.fixture(scope="module")
def zygote():
    process = Zygote()
    yield process
    process.close()


@pytest.fixture
def beside(log_database):
    with open_postgres_log(log_database, TickingClock()) as log:
        yield log


@pytest.mark.parametrize("failpoint", sorted(failpoints.LOG))
def test_a_writer_killed_at_a_failpoint_loses_nothing_that_it_acknowledged(
    zygote, log_database, beside, failpoint
):
    tried: dict[str, int] = {}
    acknowledged: dict[str, int] = {}
    for kill in range(KILLS_A_FAILPOINT):
        died = zygote.run(log_database, f"kill-{kill}", f"{failpoint}=kill@{1 + kill * 3}")
        assert died["status"] == -9, "the failpoint was not passed"
        tried |= died["tried"]
        acknowledged |= died["acknowledged"]
        assert_nothing_lost(beside, tried, acknowledged)
    retry_what_is_unknown(beside, tried, acknowledged)
    assert_nothing_lost(beside, tried, acknowledged)


def test_a_writer_killed_at_random_under_load_loses_nothing_that_it_acknowledged(
    zygote, log_database, beside
):
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    tried: dict[str, int] = {}
    acknowledged: dict[str, int] = {}
    for kill in range(RANDOM_KILLS):
        died = zygote.run(log_database, f"kill-{kill}", kill_after=chance.randint(1, 40))
        assert died["status"] == -9
        tried |= died["tried"]
        acknowledged |= died["acknowledged"]
        if kill % 20 == 19:
            retry_what_is_unknown(beside, tried, acknowledged)
            assert_nothing_lost(beside, tried, acknowledged)
    assert len(acknowledged) >= RANDOM_KILLS


class Callers:
    """Threads that append to one log until they are told to end; failures are unknown outcomes."""

    def __init__(self, log, prefix):
        self.tried: dict[str, int] = {}
        self.acknowledged: dict[str, int] = {}
        self._log, self._prefix = log, prefix
        self._ended = threading.Event()
        self.enough = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    def _work(self, number):
        for index in range(100_000):
            if self._ended.is_set():
                return
            name, events = f"{self._prefix}-{number}-{index}", 1 + index % 3
            self.tried[name] = events
            try:
                outcome = self._log.append(envelope(name), [write(name, 0, events)])
            except LogWriteFailed:
                return
            self.acknowledged[name] = outcome.position
            if index == 50:
                self.enough.set()

    def join(self):
        for thread in self._threads:
            thread.join()
        self._ended.set()


def test_a_server_killed_under_load_loses_nothing_that_was_acknowledged():
    """One log object lives through all kills: it reconnects by itself."""
    tried: dict[str, int] = {}
    acknowledged: dict[str, int] = {}
    server = PostgresServer()
    try:
        server.start()
        with open_postgres_log(installed(server.url), TickingClock()) as log:
            for kill in range(SERVER_KILLS):
                callers = Callers(log, f"kill-{kill}")
                assert callers.enough.wait(60)
                server.kill()
                callers.join()
                tried |= callers.tried
                acknowledged |= callers.acknowledged
                server.start()
                assert_nothing_lost(log, tried, acknowledged)
                retry_what_is_unknown(log, tried, acknowledged)
            assert_nothing_lost(log, tried, acknowledged)
    finally:
        server.close()


def test_every_session_has_the_settings_that_the_log_rests_on(log_database):
    dialect = PostgresDialect(log_database)
    session = dialect.write_session()
    try:
        session.head()
        for name, value in WRITER_SETTINGS.items():
            assert session._run(f"SHOW {name}").fetchone() == (value,)
        with dialect.readers().snapshot() as snapshot:
            for name, value in READER_SETTINGS.items():
                assert snapshot.rows(f"SHOW {name}") == [(value,)]
    finally:
        session.close()
        dialect.close()


def test_the_server_waits_for_the_disk_before_it_answers_a_lone_append(database, log_database):
    """Its own count of flushes of the write-ahead log moves with every append."""
    flushed = "SELECT pg_current_wal_flush_lsn(), pg_current_wal_insert_lsn()"
    with (
        open_postgres_log(log_database, TickingClock()) as log,
        psycopg.connect(database, autocommit=True) as connection,
    ):
        former = None
        for index in range(5):
            log.append(envelope(), [write(f"s-{index}")])
            row = connection.execute(flushed).fetchone()
            assert row is not None
            assert row[0] != former
            former = row[0]
