"""Triggers that refuse every change of the log but an append, whichever role tries, its owner included.

They are ENABLE ALWAYS: a session that calls itself a replica does not walk past them. An owner can drop
them: the ledger finds that.
"""

from sqlalchemy import Connection

from infrastructure.postgres.checks import LOG_SCHEMA

_REFUSE = f"""
CREATE OR REPLACE FUNCTION {LOG_SCHEMA}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the activity log is append-only: %', TG_NAME USING ERRCODE = 'restrict_violation';
END $$"""

_GUARDS = {
    "activity_log_append_only": (
        "activity_log",
        "BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT",
    ),
    "log_head_no_shrink": (
        "log_head",
        """BEFORE UPDATE ON {table} FOR EACH ROW WHEN (
        NEW.id <> OLD.id OR NEW.position < OLD.position OR NEW.recorded_at_us < OLD.recorded_at_us)""",
    ),
    "log_head_no_delete": ("log_head", "BEFORE DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT"),
}

GUARDS = tuple(_GUARDS)
"""The names of the triggers. A second head row is refused by the table's own keys."""


def create_guards(connection: Connection) -> None:
    """Create the triggers, and switch them on where somebody switched them off."""
    connection.exec_driver_sql(_REFUSE.replace("%", "%%"))
    for name, (table_name, when) in _GUARDS.items():
        table = f"{LOG_SCHEMA}.{table_name}"
        connection.exec_driver_sql(
            f"CREATE OR REPLACE TRIGGER {name} {when.format(table=table)} "
            f"EXECUTE FUNCTION {LOG_SCHEMA}.refuse_change()"
        )
        connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
