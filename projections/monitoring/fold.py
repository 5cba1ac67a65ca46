"""The fold of monitoring."""

from domain.alert.events import AlertAcknowledged, AlertRaised, AlertResolved
from domain.run.again import tells_the_past_again
from domain.run.events import RunCompleted, RunSubmitted
from domain.shared.activity import Event, RecordedEvent
from domain.shared.times import to_micros
from projections.engine.facts import document, fact
from projections.engine.projection import Rows
from projections.monitoring.tables import (
    ALERTS,
    ASKED,
    FACTS,
    METRICS,
    RUNS,
    AlertRow,
    AskedRow,
    MetricRow,
    MonitoringRunRow,
)


def fold(recorded: RecordedEvent, event: Event, rows: Rows) -> None:
    """One event's changes to alerts and measured figures."""
    match event:
        case RunSubmitted():
            rows.introduce(ASKED, _asked(recorded, event))
        case RunCompleted():
            _completed(recorded, event, rows)
        case AlertRaised():
            rows.add(FACTS, fact(recorded, document(recorded, event)))
            rows.begin(ALERTS, _raised(recorded, event))
        case AlertAcknowledged():
            rows.add(FACTS, fact(recorded))
            changes = {"state": "acknowledged", "acknowledged": recorded.position}
            rows.change(ALERTS, recorded.tenant, event.alert_id, **changes)
        case AlertResolved():
            rows.add(FACTS, fact(recorded, document(recorded, event)))
            changes = {"state": "resolved", "resolved": recorded.position}
            rows.change(ALERTS, recorded.tenant, event.alert_id, **changes)
        case _:
            pass


def _asked(recorded: RecordedEvent, event: RunSubmitted) -> AskedRow:
    return AskedRow(
        recorded.tenant,
        event.run_id,
        to_micros(event.as_of),
        event.model.number if event.model else None,
        int(not tells_the_past_again(event)),
    )


def _completed(recorded: RecordedEvent, event: RunCompleted, rows: Rows) -> None:
    tenant, position = recorded.tenant, recorded.position
    asked = rows.find(ASKED, tenant, event.run_id)
    if asked is None or not asked.is_measured:
        return
    for name, value in event.metrics.items():
        rows.add(METRICS, MetricRow(tenant, event.instance, name, position, event.run_id, event.kind, value))
    if event.kind == "monitoring":
        rows.add(FACTS, fact(recorded, document(recorded, event)))
        rows.add(
            RUNS,
            MonitoringRunRow(
                position, tenant, event.instance, event.run_id, asked.as_of_us, asked.model_version
            ),
        )


def _raised(recorded: RecordedEvent, event: AlertRaised) -> AlertRow:
    return AlertRow(
        tenant=recorded.tenant,
        alert_id=event.alert_id,
        instance=event.instance,
        rule=event.rule.called,
        severity=event.rule.severity,
        state="raised",
        raised=recorded.position,
        acknowledged=None,
        resolved=None,
    )
