"""G4 on PostgreSQL: views that are folded a partition at a time are the fold of the log, whatever kills or
pauses who folds them.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

import pytest

from infrastructure.failpoints import PROJECTION, PROJECTION_ON_POSTGRES
from infrastructure.postgres.install import install
from tests.projections.support.generated import Generator
from tests.projections.support.partition_process import TENANTS
from tests.projections.support.partitions import Partitions, folded, tables
from tests.support.processes import is_frozen, wait_until

ROOT = Path(__file__).parents[2]
SEED, EVENTS_MADE, COUNT, PAGE = 17, 400, 4, 20
IN_HAND = """
SELECT query FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND wait_event = 'ClientRead'
"""
TAKEN_S = 20.0
"""Until a frozen consumer is replaced: seven seconds, and more on a busy machine."""


@pytest.fixture(scope="module")
def log():
    return Generator(Random(SEED), tenants=TENANTS).run(EVENTS_MADE)


@pytest.fixture(scope="module")
def expected(log):
    return folded(log)


@pytest.fixture
def parts(database, log):
    install(database)
    made = Partitions(database, log, COUNT)
    made.publish()
    yield made
    made.close()


def process(parts, mode="run", place="-", page=PAGE, **environment):
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.projections.support.partition_process",
            *(str(each) for each in (parts.url, SEED, EVENTS_MADE, COUNT, page, mode, place)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def check(parts, expected):
    """Whoever takes the partitions over brings the views to what the log says."""
    views, reader = parts.views(), parts.reader()
    parts.assign(views)
    parts.feed_all(views, largest=PAGE)
    assert not views.stopped()
    assert tables(reader) == expected
    assert all(report.is_equal for report in reader.verify())


@pytest.mark.parametrize("count", [1, 17])
@pytest.mark.parametrize("place", sorted(PROJECTION | PROJECTION_ON_POSTGRES))
def test_a_consumer_killed_at_a_failpoint_leaves_nothing_half_done(parts, expected, place, count):
    killed = process(parts, OPTAIC_MLOPS_FAILPOINTS=f"{place}=kill@{count}")
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    check(parts, expected)


def test_consumers_killed_at_any_moment_leave_nothing_half_done(parts, expected, soak):
    random = Random(SEED)
    for _ in range(40 if soak else 4):
        running = process(parts, page=2)
        assert running.stdout is not None
        assert running.stdout.readline() == "begins\n"
        kill = threading.Timer(random.uniform(0.02, 0.6), running.kill)
        kill.start()
        running.communicate(timeout=60)
        kill.join()
    check(parts, expected)


@pytest.mark.parametrize("place", ["projection.before_begin", "projection.before_commit"])
def test_a_consumer_that_was_frozen_and_replaced_cannot_write_when_it_wakes(parts, expected, place):
    """Frozen inside a transaction it holds its rows only until the server cuts it off."""
    zombie = process(parts, "pause", place)
    assert zombie.stdout is not None
    assert [zombie.stdout.readline() for _ in range(2)] == ["begins\n", "ready\n"]
    zombie.send_signal(signal.SIGSTOP)
    check(parts, expected)
    zombie.send_signal(signal.SIGCONT)
    told, _ = zombie.communicate("go on\n", timeout=60)
    assert zombie.returncode == 0
    assert "ViewFenced" in told or "OperationalError" in told
    check(parts, expected)


@pytest.mark.parametrize(("page", "count", "sent"), [(2, 40, "NOTIFY"), (100, 6, "COPY")])
def test_a_consumer_frozen_while_it_sends_rows_is_replaced_and_writes_nothing_when_it_wakes(
    parts, expected, page, count, sent
):
    """For the server it is not idle: whoever takes the partition ends its session."""
    failpoint = f"projection.within_rows=freeze@{count}"
    with process(parts, page=page, OPTAIC_MLOPS_FAILPOINTS=failpoint) as zombie:
        try:
            wait_until(lambda: is_frozen(zombie.pid), "the consumer does not come to the failpoint")
            wait_until(lambda: parts.rows(IN_HAND), "the server waits for nothing")
            assert parts.rows(IN_HAND)[0][0].startswith(sent)
            began = time.monotonic()
            parts.assign(parts.views())
            assert time.monotonic() - began < TAKEN_S
            check(parts, expected)
        finally:
            zombie.send_signal(signal.SIGCONT)
        told, _ = zombie.communicate(timeout=60)
    assert zombie.returncode == 0
    assert "OperationalError" in told or "AdminShutdown" in told
    check(parts, expected)
