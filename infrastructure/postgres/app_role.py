"""The login that the service uses: made by the owner, able to connect until it is granted more."""

import psycopg
from psycopg import sql

from infrastructure.postgres.connections import connect_arguments, libpq_url
from infrastructure.postgres.errors import DatabaseUnreachable


def make_role(owner_url: str, name: str, password: str | None = None) -> None:
    """Create the role where it is missing, and set its password where one is given.

    Raises DatabaseUnreachable.
    """
    try:
        with psycopg.connect(libpq_url(owner_url), **connect_arguments("optaic-mlops install")) as connection:
            known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
            if known is None:
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION").format(
                        sql.Identifier(name)
                    )
                )
            if password:
                statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Literal(password)))
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(str(error)) from error
