"""G4: every view is the fold of the log, whatever kills or pauses the projector."""

import os
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from random import Random

import pytest

from domain.catalogue import EVENTS
from infrastructure.failpoints import PROJECTION
from infrastructure.views import open_views
from tests.projections.support.generated import Generator

ROOT = Path(__file__).parents[2]
SEED, EVENTS_MADE, PAGE = 17, 400, 50

ACTIVITY_ONLY = {
    "model_instance.slot_skipped",  # told in the instance's history; no state derives from it
    "model_instance.version_numbered",  # the version's own registration says the same and more
    "training_run.reproduced",  # the verdicts over a run are asked of its own history
    "access.granted",  # who may do what is decided from the stream itself, never from a view
    "access.revoked",
    "access.denied",
}


@pytest.fixture(scope="module")
def log():
    return Generator(Random(SEED)).run(EVENTS_MADE)


@pytest.fixture(scope="module")
def expected(log, tmp_path_factory):
    return state(tmp_path_factory.mktemp("clean") / "views.sqlite", log)


def state(path, log):
    """The state hashes after whatever is there was caught up."""
    views = open_views(path, log, page_size=PAGE)
    views.catch_up()
    found = {each.projection: each for each in views.state_hashes()}
    assert not any(status.error for status in views.status())
    assert all(report.is_equal for report in views.verify())
    views.close()
    return found


def process(path, mode, **environment):
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.projections.support.view_process",
            *(str(each) for each in (path, SEED, EVENTS_MADE, PAGE, mode)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_every_event_changes_a_row_beside_the_activity_or_is_listed(tmp_path):
    long = Generator(Random(2)).run(4_000)
    views = open_views(tmp_path / "views.sqlite", long)
    changed = defaultdict(set)
    for recorded in long.events:
        for name, writer in views.projector.writers.items():
            rows = writer._rows
            rows.position = recorded.position
            assert recorded.event is not None
            writer.generation.projection.fold(recorded, recorded.event, rows)
            if rows.take():
                changed[recorded.action].add(name)
    views.close()
    assert {topic.partition(":")[0] for topic in EVENTS} == set(changed)
    assert {action for action, names in changed.items() if names == {"activity"}} == ACTIVITY_ONLY


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("place", sorted(PROJECTION))
def test_a_projector_killed_at_a_failpoint_goes_on_as_if_nothing_had_been(
    tmp_path, log, expected, place, count
):
    killed = process(tmp_path / "views.sqlite", "run", OPTAIC_MLOPS_FAILPOINTS=f"{place}=kill@{count}")
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert state(tmp_path / "views.sqlite", log) == expected


def test_a_projector_that_was_stopped_and_replaced_cannot_write_when_it_wakes(tmp_path, log, expected):
    zombie = process(tmp_path / "views.sqlite", "pause")
    assert zombie.stdout is not None
    assert zombie.stdout.readline() == "ready\n"
    zombie.send_signal(signal.SIGSTOP)
    assert state(tmp_path / "views.sqlite", log) == expected
    zombie.send_signal(signal.SIGCONT)
    told, _ = zombie.communicate("go on\n", timeout=60)
    assert zombie.returncode == 0
    assert all("view.fenced" in line for line in told.splitlines())
    assert len(told.splitlines()) == len(expected)
    assert state(tmp_path / "views.sqlite", log) == expected
