"""The activity log: append-only, totally ordered, the source of truth. One SQLite file, one owner process."""

from infrastructure.activity_log.group_commit import GroupLimits
from infrastructure.activity_log.log import ReadOnlyLog, SqliteActivityLog, open_activity_log, open_readonly
from infrastructure.activity_log.verification import LogProblem, LogVerdict

__all__ = [
    "GroupLimits",
    "LogProblem",
    "LogVerdict",
    "ReadOnlyLog",
    "SqliteActivityLog",
    "open_activity_log",
    "open_readonly",
]
