"""The production roles, one process each, and what an operator does to their database.

Everything comes from `OPTAIC_MLOPS_*`; docs/operations.md says what each role needs.
"""

from collections.abc import Callable
from typing import Annotated

import typer

from infrastructure.cli import output
from infrastructure.cli.session import JsonOption, refusals
from infrastructure.cli.settings import load_settings

ROLES = {
    "serve": "The HTTP API; any number side by side.",
    "relay": "The log onto Kafka, in log order; one publishes, others stand by.",
    "project": "Kafka into the views; several share the partitions.",
    "intake": "Commands of other services from Kafka; several share the partitions.",
    "schedule": "What follows from events, and the leases of runs; one acts, others stand by.",
    "worker": "Runs and evaluations in child processes; any number.",
}
AppRole = Annotated[
    str | None,
    typer.Option(help="The database role of the service; made where it is missing, given its rights."),
]
AppPassword = Annotated[
    str | None,
    typer.Option(envvar="OPTAIC_MLOPS_APP_PASSWORD", help="Its password; from the environment.", hidden=True),
]
MakeStore = Annotated[bool, typer.Option("--store", help="Make the shared folder of a file:// store too.")]
MakeTopics = Annotated[bool, typer.Option("--topics", help="Make the Kafka topics too.")]


def add_to(app: typer.Typer) -> None:
    """Register the roles and the group `database`."""
    for name, meaning in ROLES.items():
        app.command(name, help=meaning, rich_help_panel="Production roles")(_command(name))
    group = typer.Typer(help="The PostgreSQL database of the production roles.", no_args_is_help=True)
    group.command("install", help="Schemas, tables, guards, rights, as the owner; safe to repeat.")(install)
    app.add_typer(group, name="database")


def _command(name: str) -> Callable[..., None]:
    def role(as_json: JsonOption = False) -> None:
        """Run until SIGTERM or SIGINT."""
        _run(name, as_json)

    return role


def _run(name: str, as_json: bool) -> None:
    with refusals(as_json):
        settings = load_settings()
        from infrastructure.observability import logs, metrics, tracing

        logs.configure(name, settings.log_format)
        metrics.describe(name)
        tracing.configure_tracing(name)

        def ready(role: str, port: int) -> None:
            if as_json:
                output.print_json({"role": role, "port": port})
            else:
                print(f"{role} works; it answers on port {port}", flush=True)

        if name == "serve":
            from infrastructure.roles.serve import serve

            code = serve(settings, ready)
        else:
            from infrastructure.roles.runner import run_role

            code = run_role(name, settings, ready)
        tracing.end_tracing()
    raise typer.Exit(code)


def install(
    app_role: AppRole = None,
    app_password: AppPassword = None,
    topics: MakeTopics = False,
    store: MakeStore = False,
    as_json: JsonOption = False,
) -> None:
    """As the owner of the database that OPTAIC_MLOPS_DATABASE_URL names."""
    with refusals(as_json):
        settings = load_settings()
        from infrastructure.postgres.app_role import make_role
        from infrastructure.postgres.install import install as install_database
        from infrastructure.roles.wiring import required

        url = required(settings, "database_url")
        if app_role is not None:
            make_role(url, app_role, app_password)
        install_database(url, app_role)
        if topics:
            from infrastructure.roles.parts import install_topics

            install_topics(settings)
        if store:
            from infrastructure.stores import make_store_folder

            make_store_folder(settings.store_url)
    said = {"app_role": app_role, "topics": topics, "store": store}
    if as_json:
        output.print_json(said)
    else:
        print("installed" + (f"; {app_role} may append and read, nothing else" if app_role else ""))
