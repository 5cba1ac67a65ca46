"""`log …`: the activity log, live or as a file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from infrastructure.cli import output
from infrastructure.cli.api import segment
from infrastructure.cli.session import Session, command

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is recorded from now on.")]


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    group = typer.Typer(help="The activity log.", no_args_is_help=True)
    command(group, "tail", help="The last events: who did what, when and why.")(tail)
    command(group, "show", help="One event (a position), or a resource's whole history (a reference).")(show)
    command(group, "export", help="Write the log as JSON lines, byte for byte; needs no service.")(export)
    command(group, "import", help="Take an export into an empty data folder; needs no service.")(take_in)
    app.add_typer(group, name="log")


def tail(
    session: Session,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="How many.")] = 20,
    follow: Follow = False,
    actor: str | None = None,
    action: str | None = None,
) -> None:
    """Events, oldest first."""
    query = {"actor": actor, "action": action}
    events = session.api.pages("/activity", query, limit) if limit else []
    if not follow:
        _print(session, events[::-1])
        return
    last = events[0]["position"] if events else session.api.get("/ready").json()["head"]
    output.print_lines(_line(event) for event in events[::-1])
    output.print_lines(
        _line(event) for event in session.api.stream("/activity/stream", {**query, "beyond": last})
    )


def show(
    session: Session,
    what: Annotated[
        str, typer.Argument(help="A position such as 71, or spx-alpha, spx-alpha@3, us-prices@1 …")
    ],
    as_of: Annotated[str | None, typer.Option(help="A log position, or a time with offset.")] = None,
) -> None:
    """An event or a history."""
    if what.isdigit():
        event = session.api.get(f"/activity/{what}").json()
        session.show(event)
        return
    events: list[Any] = []
    cursor: str | None = None
    while True:
        page = session.api.get(
            f"/history/{segment(what)}", {"as_of": as_of, "limit": 500, "cursor": cursor}
        ).json()
        events += page["events"]["items"]
        cursor = page["events"]["next_cursor"]
        if cursor is None:
            _print(session, events)
            return


def export(
    session: Session,
    file: Annotated[Path | None, typer.Argument(help="Where to; default: the standard output.")] = None,
) -> None:
    """One line an event."""
    import sys

    from infrastructure.activity_log import open_readonly
    from infrastructure.bootstrap import log_path

    with open_readonly(log_path(session.data)) as log:
        count = log.export(file or sys.stdout)
    if file is not None:
        session.say({"events": count, "file": str(file)}, f"{count} events written to {file}")


def take_in(session: Session, file: Annotated[Path, typer.Argument(help="An export.", exists=True)]) -> None:
    """The same rows in an empty log."""
    from infrastructure.activity_log import open_activity_log
    from infrastructure.activity_log.system_clock import SystemClock
    from infrastructure.bootstrap import log_path

    session.data.mkdir(parents=True, exist_ok=True)
    with open_activity_log(log_path(session.data), SystemClock()) as log:
        count = log.import_from(file)
    session.say({"events": count}, f"{count} events taken in")


def _print(session: Session, events: list[Any]) -> None:
    if session.as_json:
        output.print_json(events)
    else:
        output.print_lines(_line(event) for event in events)


def _line(event: dict[str, Any]) -> str:
    when = f"[{event['position']}] {event['recorded_at'][:19]}Z"
    reason = f' "{event["reason"]}"' if event["reason"] else ""
    return f"{when} {event['actor']} {event['action']}: {event['sentence']}{reason}"
