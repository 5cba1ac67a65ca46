"""The tables of runs. Columns that name an event's place in the log refer to `runs_fact`."""

from typing import Any

import msgspec

from projections.engine.facts import fact_table
from projections.temporal import Appended, Relation, Temporal


class RunRow(msgspec.Struct, frozen=True, gc=False):
    """A run's state and the positions of the events that made it. `metrics` is a JSON object once it
    completed.
    """

    tenant: str
    run_id: str
    instance: str
    kind: str
    state: str
    submitted: int
    started: int | None
    ended: int | None
    metrics: str | None


class SubmissionRow(msgspec.Struct, frozen=True, gc=False):
    """A run in the order of submission: what lists walk along."""

    position: int
    tenant: str
    instance: str
    run_id: str


class MetricPointRow(msgspec.Struct, frozen=True, gc=False):
    """One point of a metric series, appended at `position`, as the `ordinal`-th of its batch."""

    tenant: str
    run_id: str
    name: str
    step: int
    position: int
    ordinal: int
    value: float
    recorded_at_us: int


FACTS = fact_table("runs")
RUNS = Temporal("runs_run", RunRow, key=2, indexes=[("state", "valid_to")])
SUBMISSIONS = Appended(
    "runs_submission",
    SubmissionRow,
    key=1,
    indexes=[("tenant", "instance", "position"), ("tenant", "position")],
)
POINTS = Appended("runs_metric_point", MetricPointRow, key=6)

RELATIONS: tuple[Relation[Any], ...] = (FACTS, RUNS, SUBMISSIONS, POINTS)
