"""Connections to PostgreSQL: one way to open an engine, with time limits that notice a dead network."""

import select
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import InvalidatePoolError

CONNECT_TIMEOUT_S = 5
POOL_TIMEOUT_S = 30
_FROZEN: Mapping[str, str] = {"idle_in_transaction_session_timeout": "10s"}
"""A process that is frozen within a transaction would keep its rows from all others for as long."""

_KEEPALIVES: Mapping[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""A peer that is gone without a word is noticed within half a minute (the last one in milliseconds)."""


def psycopg_url(database_url: str) -> URL:
    """A URL as settings give it (`postgresql://` or `postgres://`), for SQLAlchemy on psycopg 3."""
    return make_url(database_url.replace("postgres://", "postgresql://", 1)).set(
        drivername="postgresql+psycopg"
    )


def libpq_url(database_url: str) -> str:
    """The same for psycopg itself."""
    return psycopg_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)


def connect_arguments(
    application_name: str, schema: str | None = None, settings: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What libpq is told besides the URL; `schema` is where unqualified names are looked up."""
    given = {"client_encoding": "UTF8", **({"search_path": schema} if schema else {}), **(settings or {})}
    options = " ".join(f"-c {name}={value}" for name, value in given.items())
    return {
        "application_name": application_name,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "options": options,
        **_KEEPALIVES,
    }


def engine(
    database_url: str,
    *,
    application_name: str,
    schema: str | None = None,
    settings: Mapping[str, str] | None = None,
    pool_size: int = 4,
    overflow: int = 12,
    autocommit: bool = False,
) -> Engine:
    """An engine whose connections are looked at before use, so that a restarted server is no error: without a
    question, for a server says nothing unasked but farewell.

    `settings` are server settings of each session (`{"jit": "off"}`); with `autocommit` every statement is a
    transaction unless one is begun. A transaction in which nothing happens for 10 s is ended by the server,
    unless `settings` say otherwise.
    """
    made = create_engine(
        psycopg_url(database_url),
        connect_args=connect_arguments(application_name, schema, {**_FROZEN, **(settings or {})}),
        pool_size=pool_size,
        max_overflow=overflow,
        pool_timeout=POOL_TIMEOUT_S,
        **({"isolation_level": "AUTOCOMMIT"} if autocommit else {}),
    )
    event.listen(made, "checkout", _refuse_lost)
    return made


def _refuse_lost(connection: Any, record: object, proxy: object) -> None:  # noqa: ARG001  # the event's
    """Those that lay as long as this one are lost with it."""
    poll = select.poll()
    if not connection.closed:
        poll.register(connection.fileno(), select.POLLIN)
    if connection.closed or poll.poll(0):
        raise InvalidatePoolError
