"""Triggers that refuse every change of the log but an append, whichever program opens the file.

`INSERT OR REPLACE` deletes rows without firing delete triggers unless the connection says otherwise
(`recursive_triggers=ON`); the guard before an insert holds without it. An owner of the file can drop
triggers: the ledger finds that.
"""

from sqlalchemy import Connection

_GUARDS = {
    "activity_log_no_update": "BEFORE UPDATE ON activity_log",
    "activity_log_no_delete": "BEFORE DELETE ON activity_log",
    "activity_log_no_replace": """BEFORE INSERT ON activity_log WHEN
        NEW.position <> 1 + coalesce((SELECT max(position) FROM activity_log), 0)
        OR EXISTS (SELECT 1 FROM activity_log
                   WHERE stream_id = NEW.stream_id AND stream_version = NEW.stream_version)
        OR EXISTS (SELECT 1 FROM activity_log
                   WHERE tenant = NEW.tenant AND command_id = NEW.command_id AND ordinal = NEW.ordinal)""",
    "log_head_no_shrink": """BEFORE UPDATE ON log_head WHEN
        NEW.id <> OLD.id OR NEW.position < OLD.position OR NEW.recorded_at_us < OLD.recorded_at_us""",
    "log_head_no_delete": "BEFORE DELETE ON log_head",
    "log_head_no_second": "BEFORE INSERT ON log_head WHEN EXISTS (SELECT 1 FROM log_head)",
}

GUARDS = tuple(_GUARDS)
"""The names of the triggers."""


def create_guards(connection: Connection) -> None:
    """Create the triggers that are missing."""
    for name, when in _GUARDS.items():
        connection.exec_driver_sql(
            f"CREATE TRIGGER IF NOT EXISTS {name} {when} "
            f"BEGIN SELECT RAISE(ABORT, 'the activity log is append-only: {name}'); END"
        )
