"""What the runs view answers, at one snapshot."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func

from application.queries import FilterMalformed, MetricFilter, RunFilter
from application.views import MetricPointView, Page, RunBriefView, RunErrorView, RunStartView, RunView
from domain.run.events import RunCompleted, RunFailed, RunStarted, RunSubmitted
from domain.shared.activity import StreamKey
from domain.shared.times import from_micros
from projections.engine.facts import Fact, act_view
from projections.engine.paging import Order, Paged
from projections.engine.snapshot import Snapshot, StreamVersions
from projections.runs.tables import FACTS, POINTS, RUNS, SUBMISSIONS, MetricPointRow, RunRow
from projections.runs.thinning import thinned

_submitted = msgspec.json.Decoder(RunSubmitted).decode
_started = msgspec.json.Decoder(RunStarted).decode
_completed = msgspec.json.Decoder(RunCompleted).decode
_failed = msgspec.json.Decoder(RunFailed).decode

_LOWEST, _HIGHEST = -1.7976931348623157e308, 1.7976931348623157e308
JsonNumber = Callable[[ColumnElement[Any], str], ColumnElement[Any]]


def runs(
    snapshot: Snapshot, filters: RunFilter, paged: Paged, streams: StreamVersions, json_number: JsonNumber
) -> Page[RunView]:
    """A page of runs. The walk goes along the submissions; each run's state at the moment is joined to it."""
    c, s = snapshot.columns(RUNS), snapshot.columns(SUBMISSIONS)
    statement = snapshot.rows(RUNS).where(
        s.tenant == snapshot.tenant, s.position <= snapshot.at, s.run_id == c.run_id
    )
    if filters.instance is not None:
        statement = statement.where(s.instance == filters.instance)
    for name in ("kind", "state"):
        wanted = getattr(filters, name)
        if wanted is not None:
            statement = statement.where(c[name] == wanted)
    for bound in filters.metrics:
        statement = statement.where(_within(json_number(c.metrics, bound.name), bound))
    return paged.page(
        snapshot,
        statement,
        _order(filters.sort, c, s, json_number),
        lambda rows: _views(snapshot, [RunRow(*row) for row in rows], streams),
    )


def _within(value: ColumnElement[Any], bound: MetricFilter) -> ColumnElement[bool]:
    match bound.operator:
        case "gt":
            return value > bound.value
        case "ge":
            return value >= bound.value
        case "lt":
            return value < bound.value
        case "le":
            return value <= bound.value
        case "eq":
            return value == bound.value


def _order(sort: str, c: Any, s: Any, json_number: JsonNumber) -> Order:
    """By submission, or by a metric and then newest first; runs that lack the metric come last."""
    descends, field = sort.startswith("-"), sort.removeprefix("-")
    if field == "submitted":
        return [(s.position, descends)]
    kind, _, name = field.partition(".")
    if kind != "metric" or not name or '"' in name:
        raise FilterMalformed(f"{sort!r} is not a sort of runs")
    value = func.coalesce(json_number(c.metrics, name), _LOWEST if descends else _HIGHEST)
    return [(value, descends), (s.position, True)]


def run(snapshot: Snapshot, run_id: str, streams: StreamVersions) -> RunView | None:
    """One run."""
    row = snapshot.one(RUNS, snapshot.columns(RUNS).run_id == run_id)
    return _views(snapshot, [row], streams)[0] if row else None


def several(snapshot: Snapshot, run_ids: Sequence[str], streams: StreamVersions) -> list[RunView]:
    """Runs in the order asked for; unknown ones are left out."""
    wanted = snapshot.rows(RUNS, snapshot.columns(RUNS).run_id.in_(run_ids))
    rows = {row.run_id: row for row in snapshot.fetch(RUNS, wanted)}
    known = [rows[run_id] for run_id in dict.fromkeys(run_ids) if run_id in rows]
    return _views(snapshot, known, streams)


def briefs(snapshot: Snapshot, run_ids: Sequence[str]) -> dict[str, RunBriefView]:
    """Runs in one line, by id."""
    statement = snapshot.rows(RUNS, snapshot.columns(RUNS).run_id.in_(run_ids))
    rows = snapshot.fetch(RUNS, statement)
    facts = snapshot.facts(FACTS, [p for row in rows for p in (row.submitted, row.started, row.ended)])
    times = {position: from_micros(fact.recorded_at_us) for position, fact in facts.items()}
    return {
        row.run_id: RunBriefView(
            id=row.run_id,
            kind=cast("Any", row.kind),
            instance=row.instance,
            state=cast("Any", row.state),
            submitted_at=times[row.submitted],
            started_at=None if row.started is None else times[row.started],
            ended_at=None if row.ended is None else times[row.ended],
        )
        for row in rows
    }


def pending(snapshot: Snapshot, instance: str) -> tuple[str, ...]:
    """Ids of an instance's pending runs, oldest first."""
    c = snapshot.columns(RUNS)
    statement = snapshot.rows(RUNS, c.instance == instance, c.state == "pending").order_by(c.submitted)
    return tuple(row.run_id for row in snapshot.fetch(RUNS, statement))


def series(
    snapshot: Snapshot, run_id: str, names: Sequence[str], points_max: int | None = None
) -> tuple[MetricPointView, ...]:
    """The points of a run's series by name, step and time of logging, thinned where there are more."""
    c = snapshot.columns(POINTS)
    wanted = c.run_id == run_id
    if names:
        wanted = and_(wanted, c.name.in_(names))
    statement = snapshot.rows(POINTS, wanted).order_by(c.name, c.step, c.position, c.ordinal)
    return tuple(
        MetricPointView(
            name=row.name,
            step=row.step,
            value=row.value,
            position=row.position,
            at=from_micros(row.recorded_at_us),
        )
        for row in _points(snapshot, wanted, statement, points_max)
    )


def _points(
    snapshot: Snapshot, wanted: ColumnElement[bool], statement: Select[Any], points_max: int | None
) -> Iterable[MetricPointRow]:
    if points_max is None:
        return snapshot.fetch(POINTS, statement)
    name = snapshot.columns(POINTS).name
    counted = snapshot.rows(POINTS, wanted).with_only_columns(name, func.count()).group_by(name)
    lengths = {row[0]: row[1] for row in snapshot.connection.execute(counted)}
    rows = (MetricPointRow(*row) for row in snapshot.connection.execute(statement))
    return thinned(rows, lengths, points_max)


def _views(snapshot: Snapshot, rows: Sequence[RunRow], streams: StreamVersions) -> list[RunView]:
    facts = snapshot.facts(FACTS, [p for row in rows for p in (row.submitted, row.started, row.ended)])
    stands = streams([StreamKey("run", row.run_id) for row in rows])
    return [_view(row, facts, stands[StreamKey("run", row.run_id)]) for row in rows]


def _view(row: RunRow, facts: dict[int, Fact], stream_version: int) -> RunView:
    pinned = _submitted(facts[row.submitted].document or b"")
    end = None if row.ended is None else facts[row.ended]
    completed = _completed(end.document or b"") if end and row.state == "completed" else None
    failed = _failed(end.document or b"") if end and row.state == "failed" else None
    told = completed or failed
    return RunView(
        id=row.run_id,
        node=f"{row.kind}_run:{row.run_id}",
        kind=cast("Any", row.kind),
        instance=row.instance,
        state=cast("Any", row.state),
        definition=pinned.definition,
        package_sha256=pinned.package_sha256,
        config=pinned.config,
        limits=pinned.limits,
        inputs=pinned.inputs,
        output_dataset=pinned.output_dataset,
        model=pinned.model,
        as_of=pinned.as_of,
        decisions=pinned.decisions,
        refit=pinned.refit,
        executor=pinned.executor,
        trigger=pinned.trigger,
        retry_of=pinned.retry_of,
        submitted=act_view(facts[row.submitted]),
        started=_start(row, facts),
        ended=None if end is None else act_view(end),
        metrics=completed.metrics if completed else {},
        artifact=completed.artifact if completed else None,
        model_version=completed.model_version if completed else None,
        dataset_version=completed.dataset_version if completed else None,
        facts=completed.facts if completed else {},
        error=RunErrorView(code=failed.code, message=failed.message) if failed else None,
        log_sha256=told.log_sha256 if told else None,
        stream_version=stream_version,
    )


def _start(row: RunRow, facts: dict[int, Fact]) -> RunStartView | None:
    if row.started is None:
        return None
    fact = facts[row.started]
    event = _started(fact.document or b"")
    return RunStartView(
        worker=event.worker,
        python=event.python,
        distributions=event.distributions,
        sandbox_level=event.sandbox_level or None,
        act=act_view(fact),
    )
