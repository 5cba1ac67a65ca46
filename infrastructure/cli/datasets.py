"""`dataset …`: named, point-in-time datasets."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from infrastructure.cli.api import segment
from infrastructure.cli.session import REFUSED, USAGE, Session, command, fail

Name = Annotated[str, typer.Argument(help="The dataset's name.")]
MEDIA_TYPES = {
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.file",
    ".feather": "application/vnd.apache.arrow.file",
    ".arrows": "application/vnd.apache.arrow.stream",
    ".csv": "text/csv",
}
_COLUMNS = {
    "dataset": "name",
    "kind": "kind",
    "newest": "newest",
    "versions": "versions",
    "calendar": "declaration.calendar",
    "changed": "changed.at",
}


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    group = typer.Typer(help="Point-in-time datasets.", no_args_is_help=True)
    command(group, "create", help="Create a source dataset.")(create)
    command(group, "write", help="Add rows from a Parquet, Arrow or CSV file.")(write)
    command(group, "read", help="Rows as the world knew them at a moment.")(read)
    command(group, "list", help="Datasets.")(list_datasets)
    command(group, "show", help="One dataset with its versions.")(show)
    app.add_typer(group, name="dataset")


def create(  # noqa: PLR0913, PLR0917 - one argument an option
    session: Session,
    name: Name,
    column: Annotated[
        list[str] | None, typer.Option(help="name:type, such as close:float64; repeat it.")
    ] = None,
    calendar: Annotated[str | None, typer.Option(help="An exchange_calendars name such as XNYS.")] = None,
    forward_looking: Annotated[bool, typer.Option("--forward-looking", help="Holds forecasts.")] = False,
    early_days: Annotated[int, typer.Option(help="Days before its date that a row may be known.")] = 0,
    knowledge_rule: Annotated[str, typer.Option(help="How knowledge dates come about.")] = "",
    description: str = "",
    file: Annotated[Path | None, typer.Option(help="The whole declaration as JSON.", exists=True)] = None,
) -> None:
    """Create it."""
    declaration: dict[str, Any] = _declaration(file) if file else {}
    if column:
        declaration["columns"] = [_column(text) for text in column]
    given = {
        "calendar": calendar,
        "forward_looking": forward_looking or None,
        "early_days": early_days or None,
        "knowledge_rule": knowledge_rule or None,
        "description": description or None,
    }
    declaration |= {key: value for key, value in given.items() if value is not None}
    written = session.api.post("/datasets", {"name": name, "declaration": declaration}).json()
    session.say(written, f"dataset {name} created [{written['position']}]")


def write(
    session: Session,
    name: Name,
    file: Annotated[Path, typer.Argument(help="A .parquet, .arrow, .arrows or .csv file.", exists=True)],
    backfill: Annotated[
        bool, typer.Option("--backfill", help="These rows are history being loaded.")
    ] = False,
) -> None:
    """Add rows."""
    kind = MEDIA_TYPES.get(file.suffix.lower())
    if kind is None:
        fail(
            {"code": "argument.malformed", "detail": f"{file.name} is none of {', '.join(MEDIA_TYPES)}"},
            USAGE,
        )
    path = f"/datasets/{segment(name)}/versions"
    written = session.api.upload(path, file, kind, {"backfill": backfill}).json()
    made = written["refs"][0].partition(":")[2] if written["refs"] else f"nothing new for {name}"
    session.say(written, f"{made} [{written['position']}]")


def read(  # noqa: PLR0913, PLR0917 - one argument an option
    session: Session,
    name: Name,
    as_of: Annotated[
        str | None, typer.Option(help="What was known then: a time with offset. Default: now.")
    ] = None,
    version: Annotated[int | None, typer.Option(min=1)] = None,
    log_as_of: Annotated[
        str | None, typer.Option(help="The newest version by this log position or time.")
    ] = None,
    first: Annotated[str | None, typer.Option(help="First date.")] = None,
    last: Annotated[str | None, typer.Option(help="Last date.")] = None,
    entity: list[str] | None = None,
    column: list[str] | None = None,
    limit: Annotated[int | None, typer.Option(min=0)] = None,
    out: Annotated[Path | None, typer.Option(help="Write an .arrow, .arrows or .csv file.")] = None,
) -> None:
    """Read rows."""
    query = {"as_of": as_of, "version": version, "log_as_of": log_as_of, "first": first, "last": last}
    query |= {"entity": entity, "column": column, "limit": limit}
    path = f"/datasets/{segment(name)}/rows"
    if out is not None:
        kind = MEDIA_TYPES.get(out.suffix.lower(), "text/csv")
        out.write_bytes(session.api.get(path, query, accept=kind).body)
        session.say({"file": str(out)}, f"{out} written")
        return
    accept = "application/json" if session.as_json else "text/csv"
    body = session.api.get(path, query, accept=accept).body
    sys.stdout.write(body.decode())
    if session.as_json:
        sys.stdout.write("\n")


def list_datasets(session: Session, kind: str | None = None, as_of: str | None = None) -> None:
    """By name."""
    session.show_rows(session.api.pages("/datasets", {"kind": kind, "as_of": as_of}), _COLUMNS)


def show(session: Session, name: Name) -> None:
    """One dataset."""
    known = session.api.get(f"/datasets/{segment(name)}").json()
    known["items"] = session.api.pages(f"/datasets/{segment(name)}/versions", {})
    declaration = known["declaration"]
    facts = {
        "dataset": known["name"],
        "kind": known["kind"],
        "columns": ", ".join(f"{one['name']}:{one['type']}" for one in declaration["columns"]),
        "calendar": declaration["calendar"],
        "knowledge": declaration["knowledge_rule"],
        **{one["ref"]: _version(one) for one in known["items"]},
    }
    session.show(known, facts)


def _version(one: dict[str, Any]) -> str:
    content = one["content"] or {}
    rows = f"{content.get('rows', 0)} rows added, {content.get('total_rows', 0)} in all"
    return f"{one['state']}, {rows}, {one['recorded']['at']}"


def _column(text: str) -> dict[str, str]:
    name, _, kind = text.partition(":")
    return {"name": name, "type": kind or "float64"}


def _declaration(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        fail({"code": "argument.malformed", "detail": f"{file}: {error}"}, REFUSED)
