"""What the owner of a database installs: schemas, tables, guards and the rights of the application's role.

Installing again changes nothing that stands, two at once wait for each other, and a later form is refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from infrastructure.activity_log import schema
from infrastructure.postgres import operational
from infrastructure.postgres.checks import (
    LOG_SCHEMA,
    form_mark,
    refuse_foreign_form,
    refuse_old_server,
    refuse_other_encoding,
)
from infrastructure.postgres.connections import engine
from infrastructure.postgres.errors import DatabaseUnreachable
from infrastructure.postgres.guards import create_guards

VIEWS_SCHEMA = "optaic_views"
SCHEMAS = (LOG_SCHEMA, VIEWS_SCHEMA, operational.SCHEMA)
_LOCK = 0x4F70744C
"""The advisory lock of an installation: `OptL`."""


def install(owner_url: str, app_role: str | None = None) -> None:
    """Create what is missing, and give `app_role` (a role that exists) its rights.

    Raises DatabaseUnreachable, PostgresTooOld, DatabaseNotUtf8, LogFormForeign.
    """
    with _begun(owner_url) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        refuse_old_server(connection)
        refuse_other_encoding(connection)
        refuse_foreign_form(connection)
        _create_tables(connection)
        create_guards(connection)
        _first_rows(connection)
        if app_role is not None:
            _grant(connection, app_role)


@contextmanager
def _begun(owner_url: str) -> Iterator[Connection]:
    owner = engine(owner_url, application_name="optaic-mlops install", pool_size=1)
    try:
        with owner.begin() as connection:
            yield connection
    except OperationalError as error:
        raise DatabaseUnreachable(str(error.orig)) from error
    finally:
        owner.dispose()


def _create_tables(connection: Connection) -> None:
    for name in SCHEMAS:
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {name}")
    inside = connection.execution_options(schema_translate_map={None: LOG_SCHEMA})
    schema.metadata.create_all(inside)
    connection.exec_driver_sql(schema.TYPE_INDEX.format(table=f"{LOG_SCHEMA}.activity_log"))
    operational.metadata.create_all(connection)
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {LOG_SCHEMA} IS '{form_mark(schema.FORM)}'")


def _first_rows(connection: Connection) -> None:
    connection.exec_driver_sql(
        f"INSERT INTO {LOG_SCHEMA}.log_head VALUES (1, 0, 0) ON CONFLICT DO NOTHING"  # noqa: S608
    )
    connection.exec_driver_sql(
        f"INSERT INTO {operational.SCHEMA}.store_epoch VALUES (1, %s) ON CONFLICT DO NOTHING",  # noqa: S608
        (uuid4().hex,),
    )


def _grant(connection: Connection, app_role: str) -> None:
    """Read and append, nothing else, on the log; its own tables among the views; rows of the rest."""
    role = connection.dialect.identifier_preparer.quote(app_role)
    database = connection.dialect.identifier_preparer.quote(connection.engine.url.database or "")
    for right in (
        f"CONNECT ON DATABASE {database}",
        f"USAGE ON SCHEMA {LOG_SCHEMA}, {operational.SCHEMA}",
        f"USAGE, CREATE ON SCHEMA {VIEWS_SCHEMA}",
        f"SELECT, INSERT ON {LOG_SCHEMA}.activity_log",
        f"SELECT, UPDATE ON {LOG_SCHEMA}.log_head",
        f"SELECT, INSERT, DELETE ON {LOG_SCHEMA}.command_outcome",
        f"SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {operational.SCHEMA}",
    ):
        connection.exec_driver_sql(f"GRANT {right} TO {role}")
