"""A position that another process has just made is not beyond the log: its news is waited for."""

import threading
from collections.abc import Iterator

import pytest

from domain.shared.errors import AsOfBeyondLog
from infrastructure.activity_log import DatabaseActivityLog, open_postgres_log
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.http.moments import wait_for
from tests.activity_log.scenes import append_many, envelope, write


class ViewsAreThere:
    """Views that have whatever is asked for."""

    def wait(self, position: int, timeout_s: float, tenant: str | None = None) -> None:
        """They are there."""


@pytest.fixture
def logs(log_database: str) -> Iterator[tuple[DatabaseActivityLog, DatabaseActivityLog]]:
    with (
        open_postgres_log(log_database, SystemClock()) as writing,
        open_postgres_log(log_database, SystemClock()) as reading,
    ):
        yield writing, reading


def test_whoever_reads_at_once_elsewhere_is_not_told_that_the_log_ends_before(logs):
    writing, reading = logs
    for turn in range(1, 31):
        writing.append(envelope(), [write(f"stream-{turn}", 0, 1)])
        wait_for(turn, reading, ViewsAreThere(), 1.0, "acme")  # type: ignore[arg-type]


def test_a_position_that_nobody_makes_is_beyond_the_log(logs):
    _, reading = logs
    with pytest.raises(AsOfBeyondLog):
        wait_for(1, reading, ViewsAreThere(), 1.0, "acme")  # type: ignore[arg-type]


def test_the_news_ends_the_wait(logs):
    writing, reading = logs
    late = threading.Thread(target=lambda: append_many(writing, 1))
    late.start()
    wait_for(1, reading, ViewsAreThere(), 1.0, "acme")  # type: ignore[arg-type]
    late.join()
