"""The activity log: append-only, totally ordered, the source of truth; on SQLite or PostgreSQL."""

from infrastructure.activity_log.group_commit import GroupLimits
from infrastructure.activity_log.log import (
    DatabaseActivityLog,
    ReadOnlyLog,
    open_activity_log,
    open_postgres_log,
    open_readonly,
)
from infrastructure.activity_log.verification import LogProblem, LogVerdict

__all__ = [
    "DatabaseActivityLog",
    "GroupLimits",
    "LogProblem",
    "LogVerdict",
    "ReadOnlyLog",
    "open_activity_log",
    "open_postgres_log",
    "open_readonly",
]
