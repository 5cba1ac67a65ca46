"""The SQLite log passes the suite of the port."""

from tests.activity_log.port_suite import ActivityLogSuite


class TestSqliteActivityLog(ActivityLogSuite):
    """The fixtures `log` and `clock` are those of this folder."""
