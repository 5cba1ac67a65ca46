"""`access …`: API keys of a tenant. The first comes straight from the database, all others over HTTP."""

from typing import Annotated, Literal

import typer

from infrastructure.cli.session import USAGE, JsonOption, Session, command, fail, refusals

_COLUMNS = {
    "KEY": "key_id",
    "PRINCIPAL": "principal",
    "ROLE": "role",
    "STATE": "state",
    "EXPIRES": "expires_at",
    "LABEL": "label",
}
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="OPTAIC_MLOPS_DATABASE_URL", help="The PostgreSQL database; better from the environment."
    ),
]
Tenant = Annotated[str, typer.Option(envvar="OPTAIC_MLOPS_TENANT", help="Whose first operator it is.")]
Principal = Annotated[str, typer.Option(help="Who acts with the key: p_ada, or service:datahub.")]
RoleOption = Annotated[
    Literal["reader", "writer", "operator"], typer.Option(help="What it may: ask, work, or keep the service.")
]


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    group = typer.Typer(
        help="API keys of a tenant; OPTAIC_MLOPS_API_KEY says who you are.", no_args_is_help=True
    )
    group.command("bootstrap", help="The first operator key of a tenant, straight into the database.")(first)
    command(group, "grant", help="Give out a key. It is shown once.")(grant)
    command(group, "revoke", help="End a key at once and for good.")(revoke)
    command(group, "list", help="All keys that were given out; never the keys themselves.")(show_all)
    app.add_typer(group, name="access")


def first(
    tenant: Tenant, principal: Principal, database_url: DatabaseUrl = None, as_json: JsonOption = False
) -> None:
    """Refused as soon as the tenant has a live operator key."""
    with refusals(as_json):
        if database_url is None:
            fail(_NO_DATABASE, USAGE, as_json)
        from infrastructure.access.bootstrap import bootstrap
        from infrastructure.activity_log import open_postgres_log
        from infrastructure.activity_log.system_clock import SystemClock

        with open_postgres_log(database_url, SystemClock()) as log:
            key = bootstrap(log, tenant, principal)
        _show_key(
            Session(as_json, None, None),
            {"key": key, "tenant": tenant, "principal": principal, "role": "operator"},
        )


def grant(
    session: Session,
    principal: Principal,
    role: RoleOption,
    label: Annotated[str | None, typer.Option(help="What the key is for.")] = None,
    expires: Annotated[str | None, typer.Option(help="When it ends: a time with offset.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the event.")] = None,
) -> None:
    """Give out a key."""
    wish = {"principal": principal, "role": role, "label": label, "expires_at": expires, "reason": reason}
    _show_key(session, {**wish, **session.api.post("/access/keys", wish).json()})


def revoke(
    session: Session,
    key_id: Annotated[str, typer.Argument(help="The 16 digits between optaic_ and the next _.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the event.")],
) -> None:
    """End a key."""
    written = session.api.post(f"/access/keys/{key_id}/revoke", {"reason": reason}).json()
    session.say(written, f"{key_id} is no key any more")


def show_all(session: Session) -> None:
    """List keys."""
    session.show_rows(session.api.get("/access/keys").json()["items"], _COLUMNS)


def _show_key(session: Session, granted: dict[str, object]) -> None:
    session.show(granted, {name: granted[name] for name in ("principal", "role", "key")})


_NO_DATABASE = {
    "code": "access.database_missing",
    "detail": "no database was named",
    "remedy": "Set OPTAIC_MLOPS_DATABASE_URL, or --database-url. The embedded service needs no keys.",
}
