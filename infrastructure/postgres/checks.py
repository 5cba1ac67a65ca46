"""What must be so before the log is opened on PostgreSQL; each answer that is not is an error by name."""

from typing import Any

from sqlalchemy import Connection

from infrastructure.activity_log import schema
from infrastructure.postgres.errors import (
    DatabaseNotUtf8,
    DurabilitySwitchedOff,
    LogFormForeign,
    LogNotInstalled,
    PostgresTooOld,
    RoleMayChangeLog,
)

LOG_SCHEMA = "optaic_log"
VERSION_MIN = 15
DURABLE_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")

_FORM = f"SELECT obj_description(to_regnamespace('{LOG_SCHEMA}')), to_regclass('{LOG_SCHEMA}.activity_log')"
_RIGHTS = f"""
SELECT current_user, rolsuper OR pg_has_role(relowner, 'USAGE')
    OR has_table_privilege(pg_class.oid, 'UPDATE, DELETE, TRUNCATE')
FROM pg_roles, pg_class
WHERE rolname = current_user AND pg_class.oid = '{LOG_SCHEMA}.activity_log'::regclass"""  # noqa: S608 (a literal name)


def form_mark(form: int) -> str:
    """The comment on the log's schema that says which form its tables have."""
    return f"optaic-mlops activity log, form {form}"


def refuse_unfit(connection: Connection, *, owner_allowed: bool = False) -> None:
    """All that a service checks before it opens the log; `owner_allowed` leaves out the last.

    Raises PostgresTooOld, DatabaseNotUtf8, DurabilitySwitchedOff, LogNotInstalled, LogFormForeign,
    RoleMayChangeLog.
    """
    refuse_old_server(connection)
    refuse_other_encoding(connection)
    refuse_volatile_settings(connection)
    refuse_missing_log(connection)
    refuse_foreign_form(connection)
    if not owner_allowed:
        refuse_powerful_role(connection)


def refuse_old_server(connection: Connection) -> None:
    """Raises PostgresTooOld below 15."""
    version = int(_value(connection, "SHOW server_version_num"))
    if version < VERSION_MIN * 10_000:
        raise PostgresTooOld(f"the server is {version // 10_000}", needs=VERSION_MIN)


def refuse_other_encoding(connection: Connection) -> None:
    """Raises DatabaseNotUtf8."""
    encoding = _value(connection, "SHOW server_encoding")
    if encoding != "UTF8":
        raise DatabaseNotUtf8(f"the database is {encoding}", encoding=encoding)


def refuse_volatile_settings(connection: Connection) -> None:
    """Raises DurabilitySwitchedOff with the setting's name."""
    for name in DURABLE_SETTINGS:
        if _value(connection, f"SHOW {name}") == "off":
            raise DurabilitySwitchedOff(f"{name} is off", setting=name)


def refuse_missing_log(connection: Connection) -> None:
    """Raises LogNotInstalled."""
    if _found(connection)[1] is None:
        raise LogNotInstalled(f"there is no {LOG_SCHEMA}.activity_log in {connection.engine.url.database}")


def refuse_foreign_form(connection: Connection) -> None:
    """Tables that are there must be ours and of this form. Raises LogFormForeign."""
    mark, table = _found(connection)
    if table is not None and mark != form_mark(schema.FORM):
        raise LogFormForeign(f"{LOG_SCHEMA} is marked {mark!r}", needs=form_mark(schema.FORM))


def refuse_powerful_role(connection: Connection) -> None:
    """Raises RoleMayChangeLog for a superuser, the owner, and who was granted more than an append."""
    role, is_powerful = connection.exec_driver_sql(_RIGHTS).one()
    if is_powerful:
        raise RoleMayChangeLog(f"{role} may change {LOG_SCHEMA}.activity_log", role=role)


def _found(connection: Connection) -> tuple[str | None, Any]:
    mark, table = connection.exec_driver_sql(_FORM).one()
    return mark, table


def _value(connection: Connection, statement: str) -> str:
    return str(connection.exec_driver_sql(statement).scalar())
