"""A PostgreSQL database with the log installed, and the role that the application connects as."""

import contextlib

import psycopg
from psycopg.errors import DuplicateObject, UniqueViolation

from tests.support.postgres import url_with

APP_ROLE = "optaic_test_app"


def installed(database: str) -> str:
    """Install the log into a database (the URL of its superuser); returns the application's URL."""
    from infrastructure.postgres.install import install

    with (
        psycopg.connect(database, autocommit=True) as connection,
        contextlib.suppress(DuplicateObject, UniqueViolation),  # it is there from an earlier test
    ):
        connection.execute(f"CREATE ROLE {APP_ROLE} LOGIN")  # type: ignore[arg-type]
    install(database, APP_ROLE)
    return url_with(database, user=APP_ROLE)
