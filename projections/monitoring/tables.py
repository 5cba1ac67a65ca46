"""The tables of monitoring. Columns that name an event's place in the log refer to `monitoring_fact`."""

from typing import Any

import msgspec

from projections.engine.facts import fact_table
from projections.temporal import Appended, Relation, Temporal


class AlertRow(msgspec.Struct, frozen=True, gc=False):
    """An alert and the positions of the events that made its state."""

    tenant: str
    alert_id: str
    instance: str
    rule: str
    severity: str
    state: str
    raised: int
    acknowledged: int | None
    resolved: int | None


class AskedRow(msgspec.Struct, frozen=True, gc=False):
    """What of a run's submission its end needs; `is_measured`: 0 for runs that tell the past again."""

    tenant: str
    run_id: str
    as_of_us: int
    model_version: int | None
    is_measured: int


class MonitoringRunRow(msgspec.Struct, frozen=True, gc=False):
    """A monitoring run that completed."""

    position: int
    tenant: str
    instance: str
    run_id: str
    as_of_us: int
    model_version: int | None


class MetricRow(msgspec.Struct, frozen=True, gc=False):
    """A metric that a completed run told."""

    tenant: str
    instance: str
    name: str
    position: int
    run_id: str
    kind: str
    value: float


FACTS = fact_table("monitoring")
ALERTS = Temporal("monitoring_alert", AlertRow, key=2, indexes=[("tenant", "instance", "state", "valid_to")])
ASKED = Appended("monitoring_asked", AskedRow, key=2)
RUNS = Appended("monitoring_run", MonitoringRunRow, key=1, indexes=[("tenant", "instance", "position")])
METRICS = Appended("monitoring_metric", MetricRow, key=4, indexes=[("tenant", "instance", "position")])

RELATIONS: tuple[Relation[Any], ...] = (FACTS, ALERTS, ASKED, RUNS, METRICS)
