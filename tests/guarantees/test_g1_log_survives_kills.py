"""G1, the log on SQLite: no acknowledged event is ever lost, whenever the writer is killed."""

import random
import re
import shutil
import subprocess
import sys
import threading

import pytest

from domain.shared.ids import event_id
from infrastructure import failpoints
from infrastructure.activity_log import open_activity_log, open_readonly
from infrastructure.activity_log.errors import SqliteSettingRefused
from infrastructure.activity_log.sqlite import (
    READER_SETTINGS,
    SqliteDialect,
    apply_settings,
    driver,
    writer_settings,
)
from tests.activity_log.scenes import TickingClock, envelope
from tests.guarantees.log_kills import ROOT, Zygote, assert_nothing_lost, retry_what_is_unknown

KILLS_A_FAILPOINT = 10
RANDOM_KILLS = 100
LONE_APPENDS = 5


@pytest.fixture(scope="module")
def zygote():
    process = Zygote()
    yield process
    process.close()


def check(path, tried, acknowledged):
    with open_readonly(path) as log:
        assert_nothing_lost(log, tried, acknowledged)


def retry(path, tried, acknowledged):
    with open_activity_log(path, TickingClock()) as log:
        retry_what_is_unknown(log, tried, acknowledged)


@pytest.mark.parametrize("failpoint", sorted(failpoints.LOG))
def test_a_writer_killed_at_a_failpoint_loses_nothing_that_it_acknowledged(zygote, tmp_path, failpoint):
    tried: dict[str, int] = {}
    acknowledged: dict[str, int] = {}
    for kill in range(KILLS_A_FAILPOINT):
        died = zygote.run(tmp_path / "log", f"kill-{kill}", f"{failpoint}=kill@{1 + kill * 3}")
        assert died["status"] == -9, "the failpoint was not passed"
        tried |= died["tried"]
        acknowledged |= died["acknowledged"]
        check(tmp_path / "log", tried, acknowledged)
    retry(tmp_path / "log", tried, acknowledged)
    check(tmp_path / "log", tried, acknowledged)


def test_a_writer_killed_at_random_under_load_loses_nothing_that_it_acknowledged(zygote, tmp_path):
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    tried: dict[str, int] = {}
    acknowledged: dict[str, int] = {}
    for kill in range(RANDOM_KILLS):
        died = zygote.run(tmp_path / "log", f"kill-{kill}", kill_after=chance.randint(1, 40))
        assert died["status"] == -9
        tried |= died["tried"]
        acknowledged |= died["acknowledged"]
        if kill % 20 == 19:
            retry(tmp_path / "log", tried, acknowledged)
            check(tmp_path / "log", tried, acknowledged)
    assert len(acknowledged) >= RANDOM_KILLS


def test_a_sync_of_the_disk_lies_between_the_request_and_the_answer_of_a_lone_append(tmp_path):
    strace = shutil.which("strace")
    assert strace, "this test needs strace: apt-get install strace"
    trace = tmp_path / "trace"
    calls = "trace=write,fsync,fdatasync"
    program = [
        sys.executable,
        "-m",
        "tests.guarantees.log_lone_append",
        str(tmp_path / "log"),
        str(LONE_APPENDS),
    ]
    command = [strace, "-f", "-qq", "-e", calls, "-s", "40", "-o", str(trace), *program]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    text = trace.read_text()
    for number in range(LONE_APPENDS):
        found = re.search(rf'"REQUEST {number}\\n"(.*?)"ANSWER {number}\\n"', text, re.DOTALL)
        assert found, f"append {number} left no marks"
        assert re.search(r"f(data)?sync\(\d+\) += 0|f(data)?sync resumed.*= 0", found[1]), f"append {number}"


def test_every_connection_has_the_settings_that_the_log_rests_on(tmp_path):
    dialect = SqliteDialect(tmp_path / "log")
    dialect.create_tables()
    session = dialect.write_session()
    try:
        for setting, value in writer_settings(dialect.journal_mode).items():
            assert session._run(f"PRAGMA {setting}").fetchone()[0] == value
        readers_meet = threading.Barrier(8, timeout=30)
        found = []

        def look():
            with dialect.readers().snapshot() as snapshot:
                readers_meet.wait()  # so that each holds a connection of its own
                found.append({name: snapshot.rows(f"PRAGMA {name}")[0][0] for name in READER_SETTINGS})

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [READER_SETTINGS] * 8
    finally:
        session.close()
        dialect.close()


def test_a_connection_that_does_not_take_a_setting_is_refused():
    memory = driver.connect(":memory:", isolation_level=None)
    try:
        with pytest.raises(SqliteSettingRefused, match="journal_mode"):
            apply_settings(memory, {"journal_mode": "wal"})
    finally:
        memory.close()


def test_the_ids_of_events_follow_from_their_command_so_a_retry_cannot_make_others():
    command = envelope("command").command_id
    assert event_id("acme", command, 0) == event_id("acme", command, 0) != event_id("acme", command, 1)
