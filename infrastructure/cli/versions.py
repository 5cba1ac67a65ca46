"""`version …`: model versions and their stages."""

from typing import Annotated, Any

import typer

from infrastructure.cli import output
from infrastructure.cli.api import segment
from infrastructure.cli.overriding import Override
from infrastructure.cli.session import Session, command

Ref = Annotated[str, typer.Argument(help="instance@3")]
Reason = Annotated[str, typer.Option("--reason", help="Why; an auditor will read it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="The gate's report; write nothing.")]
_COLUMNS = {
    "version": "ref",
    "stage": "stage",
    "definition": "definition",
    "trained as of": "trained_as_of",
    "metrics": "metrics",
    "by": "staged.actor",
    "reason": "staged.reason",
}
_COMPARED = ("metrics", "parameters", "settings", "inputs")


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    group = typer.Typer(help="Model versions and their stages.", no_args_is_help=True)
    command(group, "list", help="Versions of an instance, newest first.")(list_versions)
    command(group, "stage", help="none → staging, if the gate passes.")(stage)
    command(group, "promote", help="staging → production, if the gate passes.")(promote)
    command(group, "rollback", help="Back to the former production version (INSTANCE) or to INSTANCE@N.")(
        rollback
    )
    command(group, "archive", help="Take a version out of use.")(archive)
    command(group, "compare", help="Versions side by side: metrics, and parameters that differ.")(compare)
    command(group, "passport", help="All that is known of a version, in one document.")(passport)
    app.add_typer(group, name="version")


def list_versions(
    session: Session,
    instance: Annotated[str | None, typer.Argument(help="The instance's name; default: all.")] = None,
    stage: str | None = None,
    as_of: Annotated[str | None, typer.Option(help="A log position, or a time with offset.")] = None,
) -> None:
    """Versions."""
    query = {"instance": instance, "stage": stage, "as_of": as_of}
    session.show_rows(session.api.pages("/versions", query), _COLUMNS)


def stage(session: Session, ref: Ref, reason: Reason, override: Override = False) -> None:
    """Into staging."""
    _move(session, f"/versions/{segment(ref)}/stage", reason, f"{ref} is in staging", override=override)


def promote(
    session: Session, ref: Ref, reason: Reason, dry_run: DryRun = False, override: Override = False
) -> None:
    """Into production."""
    done = f"{ref} would be in production" if dry_run else f"{ref} is in production"
    path = f"/versions/{segment(ref)}/promote"
    _move(session, path, reason, done, {"dry_run": dry_run}, override=override)


def rollback(
    session: Session, ref: Annotated[str, typer.Argument(help="instance or instance@3")], reason: Reason
) -> None:
    """Back."""
    kind = "versions" if "@" in ref else "instances"
    _move(session, f"/{kind}/{segment(ref)}/rollback", reason, f"rolled back: {ref}")


def archive(session: Session, ref: Ref, reason: Reason) -> None:
    """Out of use."""
    _move(session, f"/versions/{segment(ref)}/archive", reason, f"{ref} is archived")


def compare(
    session: Session, refs: Annotated[list[str], typer.Argument(help="instance@3 instance@4 …")]
) -> None:
    """Side by side, by their training runs."""
    versions = [session.api.get(f"/versions/{segment(ref)}").json() for ref in refs]
    ids = ",".join(version["run_id"] for version in versions)
    found = session.api.get("/runs/compare", {"ids": ids}).json()
    if session.as_json:
        output.print_json({"versions": versions, **{part: found[part] for part in _COMPARED}})
        return
    rows = [_row(refs, row["name"], row["values"]) for part in _COMPARED for row in found[part]]
    rows.append(_row(refs, "stage", [version["stage"] for version in versions]))
    output.print_rows(rows, {"": "name", **{ref: ref.replace(".", "_") for ref in refs}})


def passport(session: Session, ref: Ref, as_of: str | None = None) -> None:
    """The whole document; always JSON."""
    output.print_json(session.api.get(f"/versions/{segment(ref)}/passport", {"as_of": as_of}).json())


def _row(refs: list[str], name: str, values: list[Any]) -> dict[str, Any]:
    return {"name": name, **dict(zip(refs, values, strict=True))}


def _move(
    session: Session,
    path: str,
    reason: str,
    done: str,
    query: dict[str, Any] | None = None,
    *,
    override: bool = False,
) -> None:
    body = {"reason": reason} | ({"override": True} if override else {})
    written = session.api.post(path, body, query).json()
    report = written.get("report")
    gate = f" · gate {report['enforced_as']}" if report else ""
    session.say(written, f"{done} [{written['position']}]{gate}")
