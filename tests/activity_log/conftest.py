"""Fixtures of the log's tests."""

import pytest

from infrastructure.activity_log import open_activity_log
from tests.activity_log.scenes import TickingClock


@pytest.fixture
def clock():
    return TickingClock()


@pytest.fixture
def log_path(tmp_path):
    return tmp_path / "activity.sqlite3"


@pytest.fixture
def log(log_path, clock):
    with open_activity_log(log_path, clock) as opened:
        yield opened
