"""The fold of runs."""

import msgspec

from domain.run.events import (
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunMetricsLogged,
    RunStarted,
    RunSubmitted,
)
from domain.shared.activity import Event, RecordedEvent
from projections.engine.facts import document, fact
from projections.engine.projection import Rows
from projections.runs.tables import FACTS, POINTS, RUNS, SUBMISSIONS, MetricPointRow, RunRow, SubmissionRow

_encode = msgspec.json.Encoder(order="deterministic").encode


def fold(recorded: RecordedEvent, event: Event, rows: Rows) -> None:
    """One event's changes to runs and their series."""
    match event:
        case RunSubmitted():
            _submitted(recorded, event, rows)
        case RunStarted():
            rows.add(FACTS, fact(recorded, document(recorded, event)))
            rows.change(RUNS, recorded.tenant, event.run_id, state="running", started=recorded.position)
        case RunCompleted():
            rows.add(FACTS, fact(recorded, document(recorded, event)))
            metrics = _encode(event.metrics).decode()
            _ended(recorded, event.run_id, "completed", metrics, rows)
        case RunFailed():
            rows.add(FACTS, fact(recorded, document(recorded, event)))
            _ended(recorded, event.run_id, "failed", None, rows)
        case RunCancelled():
            rows.add(FACTS, fact(recorded))
            _ended(recorded, event.run_id, "cancelled", None, rows)
        case RunMetricsLogged():
            _logged(recorded, event, rows)
        case _:
            pass


def _submitted(recorded: RecordedEvent, event: RunSubmitted, rows: Rows) -> None:
    tenant, position = recorded.tenant, recorded.position
    rows.add(FACTS, fact(recorded, document(recorded, event)))
    rows.add(SUBMISSIONS, SubmissionRow(position, tenant, event.instance, event.run_id))
    rows.begin(
        RUNS,
        RunRow(tenant, event.run_id, event.instance, event.kind, "pending", position, None, None, None),
    )


def _ended(recorded: RecordedEvent, run_id: str, state: str, metrics: str | None, rows: Rows) -> None:
    rows.change(RUNS, recorded.tenant, run_id, state=state, ended=recorded.position, metrics=metrics)


def _logged(recorded: RecordedEvent, event: RunMetricsLogged, rows: Rows) -> None:
    tenant, position, at = recorded.tenant, recorded.position, recorded.recorded_at_us
    for ordinal, point in enumerate(event.points):
        row = MetricPointRow(tenant, event.run_id, point.name, point.step, position, ordinal, point.value, at)
        rows.add(POINTS, row)
