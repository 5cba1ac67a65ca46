"""`verify`, `rebuild`, `doctor` and `demo`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from infrastructure.cli import output
from infrastructure.cli.session import (
    REFUSED,
    USAGE,
    DataOption,
    JsonOption,
    Session,
    command,
    fail,
    refusals,
)
from infrastructure.cli.settings import load_settings


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    command(app, "verify", help="Prove that log, views, artifacts and data files are what they should be.")(
        verify
    )
    command(app, "rebuild", help="Fold views afresh from the log, beside the serving ones, and swap.")(
        rebuild
    )
    command(app, "doctor", help="What this installation and this data folder look like.")(doctor)
    app.command("demo", help="The main job on real data, in a fresh folder, with every claim checked.")(demo)


def verify(session: Session) -> None:
    """Through the service; exit 1 if anything differs."""
    found = session.api.post("/system/verify").json()
    if session.as_json:
        output.print_json(found)
    else:
        output.print_lines(found["problems"])
        print(
            f"{found['events']} events without a hole · {found['views']} views equal their fold · "
            f"{found['artifacts']} artifacts, {found['data_files']} data files match their SHA-256"
            if not found["problems"]
            else f"{len(found['problems'])} problems"
        )
    if found["problems"]:
        raise typer.Exit(REFUSED)


def rebuild(
    session: Session,
    projection: Annotated[list[str] | None, typer.Argument(help="Names; `doctor` lists them.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every view.")] = False,
) -> None:
    """Exit 1 if a rebuilt view differs from the one that served."""
    if bool(projection) == all_:
        fail({"code": "argument.malformed", "detail": "name views, or give --all"}, USAGE, session.as_json)
    found = session.api.post("/system/rebuild", {"projections": projection or []}).json()
    columns = {
        "view": "projection",
        "events": "position",
        "equal": "is_equal",
        "seconds": "seconds",
        "state": "sha256",
    }
    session.show_rows(found["items"], columns)
    if not all(one["is_equal"] for one in found["items"]):
        raise typer.Exit(REFUSED)


def doctor(session: Session) -> None:
    """Versions, folder, service, views; starts nothing."""
    import platform
    import shutil
    from importlib.metadata import version

    from infrastructure.embedded.record import running

    record = running(session.data)
    facts: dict[str, Any] = {
        "service version": version("optaic-mlops-service"),
        "python": platform.python_version(),
        "data folder": str(session.data),
        "exists": session.data.is_dir(),
        "free space (GiB)": round(shutil.disk_usage(_existing(session.data)).free / 2**30, 1),
        "service": record.url if record else "not running",
    }
    from infrastructure.processes.sandbox_levels import LEVELS, probed

    for level in LEVELS:
        facts[f"sandbox {level}"] = probed(level).detail
    if record is not None:
        from infrastructure.cli.api import Api

        for one in Api(record.url).get("/system/projections").json()["items"]:
            facts[f"view {one['name']}"] = f"{one['status']} at {one['position']} of {one['head']}"
    session.show(facts)


def demo(
    data: DataOption = None,
    full: Annotated[bool, typer.Option("--full", help="The whole history.")] = False,
    production: Annotated[
        bool, typer.Option("--production", help="On the running roles, as the tenant of the settings.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Play the demonstration; exit 1 if something that it says is not true."""
    from infrastructure.demo import story

    folder = (data or Path("var/demo")).expanduser().resolve()
    with refusals(as_json):
        if production:
            code = story.run_in_production(load_settings(), full=full)
        else:
            code = story.run(folder, full=full)
        if code:
            raise typer.Exit(code)


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())
