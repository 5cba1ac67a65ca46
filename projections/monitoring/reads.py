"""What the monitoring view answers about measured figures, at one snapshot."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from application.views import DistributionView, MetricRowView, MonitoringRunView, PerformanceRowView
from domain.run.events import RunCompleted
from domain.shared.times import from_micros
from projections.engine.snapshot import Snapshot
from projections.monitoring.tables import FACTS, METRICS, RUNS, MonitoringRunRow

_completed = msgspec.json.Decoder(RunCompleted).decode
_DRIFT, _PREDICTION, _PERFORMANCE = "drift.feature.", "drift.prediction.", "performance."
_PREDICTION_SHARE = "drift.prediction.share"
_BASELINE, _DEGRADATION = ".baseline", ".degradation"
Told = Mapping[int, RunCompleted]
Values = Mapping[str, tuple[float | None, ...]]


class Measured(NamedTuple):
    """What the last runs measured: a run a column."""

    runs: tuple[MonitoringRunView, ...]
    drift: tuple[MetricRowView, ...]
    prediction_drift: tuple[MetricRowView, ...]
    performance: tuple[PerformanceRowView, ...]
    other: tuple[MetricRowView, ...]
    distributions: tuple[DistributionView, ...]
    distributions_of: str | None


def measured(snapshot: Snapshot, instance: str, runs_max: int) -> Measured:
    """What the last monitoring runs of an instance measured."""
    rows = _last_runs(snapshot, instance, runs_max)
    facts = snapshot.facts(FACTS, [row.position for row in rows])
    told = {position: _completed(fact.document or b"") for position, fact in facts.items()}
    values = _values(snapshot, instance, [row.position for row in rows])
    by, distributions = _distributions(rows, told)
    return Measured(
        runs=tuple(
            _run_view(row, told[row.position].facts, facts[row.position].recorded_at_us) for row in rows
        ),
        drift=_below(_DRIFT, values),
        prediction_drift=tuple(row for row in _below(_PREDICTION, values) if row.name != "share"),
        performance=_performance(values),
        other=tuple(MetricRowView(name=name, values=values[name]) for name in values if _is_other(name)),
        distributions=distributions,
        distributions_of=by,
    )


def runs_telling(snapshot: Snapshot, instance: str, metric: str, count: int) -> tuple[str, ...]:
    """Ids of the last completed runs of an instance that told a metric, oldest first."""
    c = snapshot.columns(METRICS)
    statement = snapshot.rows(METRICS, c.instance == instance, c.name == metric)
    found = snapshot.fetch(METRICS, statement.order_by(c.position.desc()).limit(count))
    return tuple(row.run_id for row in reversed(found))


def _last_runs(snapshot: Snapshot, instance: str, runs_max: int) -> list[MonitoringRunRow]:
    c = snapshot.columns(RUNS)
    statement = snapshot.rows(RUNS, c.instance == instance).order_by(c.position.desc()).limit(runs_max)
    return snapshot.fetch(RUNS, statement)[::-1]


def _values(snapshot: Snapshot, instance: str, positions: Sequence[int]) -> Values:
    """Metric → its value at each of the runs, by name."""
    if not positions:
        return {}
    c = snapshot.columns(METRICS)
    statement = snapshot.rows(
        METRICS, c.instance == instance, c.position >= positions[0], c.kind == "monitoring"
    )
    columns = {position: number for number, position in enumerate(positions)}
    found: dict[str, list[float | None]] = {}
    for row in snapshot.fetch(METRICS, statement):
        found.setdefault(row.name, [None] * len(positions))[columns[row.position]] = row.value
    return {name: tuple(found[name]) for name in sorted(found)}


def _run_view(row: MonitoringRunRow, facts: Mapping[str, Any], at_us: int) -> MonitoringRunView:
    return MonitoringRunView(
        run_id=row.run_id,
        as_of=from_micros(row.as_of_us),
        model_version=row.model_version,
        position=row.position,
        at=from_micros(at_us),
        report_sha256=_text(facts.get("report_sha256")),
        evidently_sha256=_text(facts.get("evidently_sha256")),
    )


def _below(prefix: str, values: Values) -> tuple[MetricRowView, ...]:
    return tuple(
        MetricRowView(name=name.removeprefix(prefix), values=values[name])
        for name in values
        if name.startswith(prefix)
    )


def _is_other(name: str) -> bool:
    return name == _PREDICTION_SHARE or not name.startswith((_DRIFT, _PREDICTION, _PERFORMANCE))


def _performance(values: Values) -> tuple[PerformanceRowView, ...]:
    """Realised beside baseline; a metric that only has a baseline is there too."""
    told = [name for name in values if name.startswith(_PERFORMANCE)]
    names = sorted({name.removesuffix(_BASELINE).removesuffix(_DEGRADATION) for name in told})
    absent = (None,) * len(next(iter(values.values()), ()))
    return tuple(
        PerformanceRowView(
            name=name.removeprefix(_PERFORMANCE),
            realised=values.get(name, absent),
            baseline=values.get(name + _BASELINE, absent),
            degradation=values.get(name + _DEGRADATION, absent),
        )
        for name in names
    )


def _distributions(
    rows: Sequence[MonitoringRunRow], told: Told
) -> tuple[str | None, tuple[DistributionView, ...]]:
    """The histograms of the last run that told any; what is not of their form is left out."""
    for row in reversed(rows):
        found = _map(told[row.position].facts.get("distributions"))
        views = [_distribution(name, one) for name, one in sorted(found.items())]
        kept = tuple(view for view in views if view is not None)
        if kept:
            return row.run_id, kept
    return None, ()


def _map(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


class _Histogram(msgspec.Struct, frozen=True):
    """A histogram as a run's facts tell it: `edges`, or the `values` that were counted."""

    reference: tuple[float, ...]
    current: tuple[float, ...]
    edges: tuple[float, ...] = ()
    values: tuple[Any, ...] = ()


def _distribution(feature: str, told: Any) -> DistributionView | None:
    """User code wrote the facts: what cannot be read is no histogram, never an error."""
    try:
        one = msgspec.convert(told, _Histogram)
    except msgspec.ValidationError:
        return None
    edges = one.values or one.edges
    return DistributionView(feature=feature, edges=edges, reference=one.reference, current=one.current)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
