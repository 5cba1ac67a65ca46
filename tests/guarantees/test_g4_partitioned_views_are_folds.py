"""G4 on PostgreSQL: views that are folded a partition at a time are the fold of the log, whatever kills or
pauses who folds them.
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from random import Random

import pytest

from infrastructure.failpoints import PROJECTION
from infrastructure.postgres.install import install
from tests.projections.support.generated import Generator
from tests.projections.support.partition_process import TENANTS
from tests.projections.support.partitions import Partitions, folded, tables

ROOT = Path(__file__).parents[2]
SEED, EVENTS_MADE, COUNT, PAGE = 17, 400, 4, 20


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
@pytest.mark.parametrize("place", sorted(PROJECTION))
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
