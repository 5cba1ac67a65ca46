"""The PostgreSQL log passes the suite of the port."""

import pytest

from infrastructure.activity_log import open_postgres_log
from tests.activity_log.port_suite import ActivityLogSuite


class TestPostgresActivityLog(ActivityLogSuite):
    """A database of its own for each test; the clock is that of this folder."""

    @pytest.fixture
    def log(self, log_database, clock):
        with open_postgres_log(log_database, clock) as opened:
            yield opened
