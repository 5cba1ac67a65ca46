"""G5: the same log gives the same state, whatever hash seed, zone, locale and page size a process has."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.projections.support.generated import Generator
from tests.projections.support.stored_events import store

ROOT = Path(__file__).parents[2]
EVENTS_MADE, EVENTS_IN_SMALL_PAGES = 50_000, 5_000

SURROUNDINGS = [
    {"PYTHONHASHSEED": "1", "TZ": "America/New_York", "LC_ALL": "C.UTF-8"},
    {"PYTHONHASHSEED": "4294967295", "TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR"},
]


def generated(path, events):
    tenants = tuple(f"tenant-{number}" for number in range(max(2, events // 500)))
    store(Generator(Random(23), tenants=tenants).run(events), path)
    return path


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    return generated(tmp_path_factory.mktemp("g5") / "events", EVENTS_MADE)


def hashes(events, page, environment):
    done = subprocess.run(
        [sys.executable, "-m", "tests.projections.support.hash_process", str(events), str(page)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=110,
    )
    assert done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def expected(events):
    return hashes(events, 5000, {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"})


@pytest.mark.parametrize("environment", SURROUNDINGS)
def test_fifty_thousand_events_give_one_state_hash(events, expected, environment):
    assert hashes(events, 1000, environment) == expected


def test_small_pages_give_the_state_hash_of_large_ones(tmp_path):
    events = generated(tmp_path / "events", EVENTS_IN_SMALL_PAGES)
    expected = hashes(events, 1000, {"PYTHONHASHSEED": "5"})
    assert hashes(events, 1, {"PYTHONHASHSEED": "6"}) == expected
    assert hashes(events, 7, {"PYTHONHASHSEED": "random", "TZ": "Pacific/Chatham"}) == expected
