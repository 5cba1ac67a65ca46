"""`alert …`: what the rules on an instance's metrics raised."""

from typing import Annotated

import typer

from infrastructure.cli.api import segment
from infrastructure.cli.session import Session, command

AlertId = Annotated[str, typer.Argument(help="As `alert list` shows it.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; kept with the event.")]
_COLUMNS = {
    "ALERT": "id",
    "SEVERITY": "severity",
    "INSTANCE": "instance",
    "METRIC": "metric",
    "VALUE": "value",
    "RULE": "condition",
    "STATE": "state",
    "RAISED": "raised.at",
}


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    group = typer.Typer(help="Alerts that rules on metrics raised.", no_args_is_help=True)
    command(group, "list", help="Alerts, the one raised last first.")(list_alerts)
    command(group, "show", help="One alert and its rule.")(show)
    command(group, "ack", help="Say that somebody looks after it.")(acknowledge)
    command(group, "resolve", help="End it.")(resolve)
    app.add_typer(group, name="alert")


def list_alerts(
    session: Session,
    instance: Annotated[str | None, typer.Argument(help="The instance's name; default: all.")] = None,
    state: Annotated[str, typer.Option(help="open, raised, acknowledged, resolved or all.")] = "open",
    severity: Annotated[str | None, typer.Option(help="info, warning, error or critical.")] = None,
    as_of: Annotated[str | None, typer.Option(help="A log position, or a time with offset.")] = None,
) -> None:
    """Alerts."""
    wanted = None if state == "all" else state
    query = {"instance": instance, "state": wanted, "severity": severity, "as_of": as_of}
    session.show_rows(session.api.pages("/alerts", query), _COLUMNS)


def show(session: Session, alert: AlertId, as_of: str | None = None) -> None:
    """One alert."""
    session.show(session.api.get(f"/alerts/{segment(alert)}", {"as_of": as_of}).json())


def acknowledge(session: Session, alert: AlertId, reason: Reason = None) -> None:
    """Look after it."""
    written = session.api.post(f"/alerts/{segment(alert)}/acknowledge", {"reason": reason}).json()
    session.say(written, f"{alert} is acknowledged [{written['position']}]")


def resolve(session: Session, alert: AlertId, reason: Reason = None) -> None:
    """End it."""
    written = session.api.post(f"/alerts/{segment(alert)}/resolve", {"reason": reason}).json()
    session.say(written, f"{alert} is resolved [{written['position']}]")
