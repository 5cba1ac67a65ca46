"""`instance …`: definition version + datasets + parameters."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from infrastructure.cli.api import segment
from infrastructure.cli.session import USAGE, Session, command, fail

Name = Annotated[str, typer.Argument(help="The instance's name.")]
AsOf = Annotated[str | None, typer.Option(help="A log position, or a time with offset.")]
_COLUMNS = {
    "instance": "name",
    "state": "state",
    "definition": "definition",
    "active": "active_version",
    "versions": "versions",
    "runs": "runs",
    "space": "specification.space",
}


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    group = typer.Typer(
        help="Instances: a definition version with datasets and parameters.", no_args_is_help=True
    )
    command(group, "create", help="Create an instance and its predictions dataset.")(create)
    command(group, "list", help="Instances.")(list_instances)
    command(group, "show", help="One instance, now or at any moment of the log.")(show)
    command(group, "production", help="Which version was in production, who put it there and why.")(
        production
    )
    command(group, "schedules", help="When its runs are due next.")(schedules)
    command(group, "archive", help="Close an instance for good.")(archive)
    app.add_typer(group, name="instance")


def create(
    session: Session,
    name: Name,
    definition: Annotated[str | None, typer.Option(help="name@1.2.0")] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="Training and inference data: dataset, or role=dataset, or role=dataset@3."),
    ] = None,
    config: Annotated[str | None, typer.Option(help="The configuration as JSON.")] = None,
    space: Annotated[str | None, typer.Option(help="staging or official")] = None,
    file: Annotated[Path | None, typer.Option(help="A JSON file with all of it.", exists=True)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check it; write nothing.")] = False,
) -> None:
    """Create an instance."""
    body: dict[str, Any] = _json(file.read_text(encoding="utf-8"), "--file") if file else {}
    body["name"] = name
    given = {
        "definition": definition,
        "space": space,
        "config": _json(config, "--config") if config else None,
    }
    body |= {key: value for key, value in given.items() if value is not None}
    if dataset:
        body["training_datasets"] = [binding(text) for text in dataset]
    written = session.api.post("/instances", body, {"dry_run": dry_run}).json()
    session.say(written, f"{name} {'could be created' if dry_run else 'created'} [{written['position']}]")


def binding(text: str) -> dict[str, Any]:
    """`role=dataset@3` as the API has it."""
    role, equals, rest = text.rpartition("=")
    name, at, version = rest.partition("@")
    bound: dict[str, Any] = {"dataset": name}
    if equals:
        bound["role"] = role
    if at:
        bound["version"] = int(version) if version.isdigit() else version
    return bound


def list_instances(session: Session, state: str | None = None, as_of: AsOf = None) -> None:
    """Instances by name."""
    session.show_rows(session.api.pages("/instances", {"state": state, "as_of": as_of}), _COLUMNS)


def show(session: Session, name: Name, as_of: AsOf = None) -> None:
    """One instance."""
    known = session.api.get(f"/instances/{segment(name)}", {"as_of": as_of}).json()
    specification = known["specification"]
    facts = {
        "instance": known["name"],
        "state": known["state"],
        "definition": known["definition"],
        "space": specification["space"],
        "active version": known["active_version"],
        "versions": known["versions"],
        "runs": known["runs"],
        "training data": ", ".join(_bound(one) for one in specification["training_datasets"]),
        "inference data": ", ".join(_bound(one) for one in specification["inference_datasets"]),
        "output": known["output_dataset"],
        "config": {
            key: value for key, value in specification["config"].items() if value not in (None, {}, [])
        },
        "owner": specification["owner"],
        "created": known["created"]["at"],
    }
    session.show(known, facts)


def production(session: Session, name: Name, as_of: AsOf = None) -> None:
    """Who was in production."""
    known = session.api.get(f"/instances/{segment(name)}/production", {"as_of": as_of}).json()
    if session.as_json:
        session.show(known)
        return
    columns = {
        "version": "ref",
        "how": "how",
        "from": "since.position",
        "at": "since.at",
        "by": "since.actor",
        "reason": "since.reason",
        "until": "until.position",
    }
    session.show_rows(known["items"], columns)


def schedules(session: Session, name: Name) -> None:
    """Its schedules, each with the next times at which it is due (UTC)."""
    known = session.api.get(f"/instances/{segment(name)}/schedules").json()
    rows = [{**one["schedule"], "next": _due(one)} for one in known["items"]]
    columns = {"kind": "kind", "cron": "cron", "zone": "timezone", "after": "after_dataset", "next": "next"}
    session.show_rows(known["items"] if session.as_json else rows, columns)


def archive(
    session: Session, name: Name, reason: Annotated[str, typer.Option("--reason", help="Why.")]
) -> None:
    """Close it."""
    written = session.api.post(f"/instances/{segment(name)}/archive", {"reason": reason}).json()
    session.say(written, f"{name} archived [{written['position']}]")


def _due(one: dict[str, Any]) -> str:
    if not one["schedule"]["enabled"]:
        return "off"
    following = f"with each version of {one['schedule']['after_dataset']}"
    return ", ".join(one["next"]) or following


def _bound(one: dict[str, Any]) -> str:
    version = f"@{one['version']}" if one["version"] else ""
    role = f"{one['role']}=" if one["role"] else ""
    return f"{role}{one['dataset']}{version}"


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        fail(
            {"code": "argument.malformed", "detail": f"{what}: {error}", "remedy": "Give a JSON object."},
            USAGE,
        )
