"""Alerts, and what the monitoring runs of an instance measured."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from application.queries import AlertFilter
from application.views import AlertView, MonitoringView, Page
from domain.alert.commands import AcknowledgeAlert, ResolveAlert
from domain.alert.errors import AlertUnknown
from domain.model_instance.errors import InstanceUnknown
from infrastructure.http.bodies import JsonBody, decoded
from infrastructure.http.reading import Part, Read
from infrastructure.http.results import Written
from infrastructure.http.schemas import answers, body
from infrastructure.http.writing import Write

router = APIRouter(tags=["alerts"])

State = Annotated[str | None, Query(description="raised, acknowledged, resolved, or open for the first two.")]
Runs = Annotated[int, Query(ge=1, le=500, description="How many of the last monitoring runs.")]


@router.get("/alerts", **answers(Page[AlertView]))
def list_alerts(
    read: Read,
    part: Part,
    instance: str | None = None,
    state: State = None,
    severity: str | None = None,
    rule: str | None = None,
) -> Response:
    """Alerts, the one raised last first."""
    filters = AlertFilter(instance=instance, state=state, severity=severity, rule=rule)
    return read.page(read.queries.alerts(read.tenant, filters, part, read.moment()))


@router.get("/alerts/{alert_id}", **answers(AlertView, refusals=[404]))
def show_alert(alert_id: str, read: Read) -> Response:
    """One alert, with the rule as it stood when it was raised."""
    view = read.queries.alert(read.tenant, alert_id, read.moment())
    return read.item(view, AlertUnknown, f"alert {alert_id}")


@router.post(
    "/alerts/{alert_id}/acknowledge",
    openapi_extra=body(AcknowledgeAlert, "alert_id", required=False),
    **answers(Written, refusals=[404, 409, 412, 415, 422]),
)
def acknowledge_alert(alert_id: str, content: JsonBody, write: Write) -> Response:
    """Say that somebody looks after it."""
    command, reason = decoded(content, AcknowledgeAlert, alert_id=alert_id)
    outcome = write.send(command, reason, target=f"alert:{alert_id}")
    return write.answer(outcome, location=f"/api/v1/alerts/{alert_id}")


@router.post(
    "/alerts/{alert_id}/resolve",
    openapi_extra=body(ResolveAlert, "alert_id", "run_id", "value", required=False),
    **answers(Written, refusals=[404, 412, 415, 422]),
)
def resolve_alert(alert_id: str, content: JsonBody, write: Write) -> Response:
    """End it; the rule raises another one when it has to."""
    command, reason = decoded(content, ResolveAlert, alert_id=alert_id, run_id=None, value=None)
    outcome = write.send(command, reason, target=f"alert:{alert_id}")
    return write.answer(outcome, location=f"/api/v1/alerts/{alert_id}")


@router.get("/instances/{name}/monitoring", **answers(MonitoringView, refusals=[404]))
def show_monitoring(name: str, read: Read, runs: Runs = 100) -> Response:
    """Alert rules, open alerts, drift (feature by run), distributions, realised beside the baseline."""
    view = read.queries.monitoring(read.tenant, name, read.moment(), runs)
    return read.item(view, InstanceUnknown, f"instance {name}")
