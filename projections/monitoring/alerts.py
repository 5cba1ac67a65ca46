"""What the monitoring view answers about alerts, at one snapshot."""

from collections.abc import Sequence
from typing import cast

import msgspec

from application.queries import AlertFilter
from application.views import ActView, AlertState, AlertView, Page
from domain.alert.decider import stream_of
from domain.alert.events import AlertRaised, AlertResolved
from projections.engine.facts import Fact, act_view
from projections.engine.paging import Paged
from projections.engine.snapshot import Snapshot, StreamVersions
from projections.monitoring.tables import ALERTS, FACTS, AlertRow

_raised = msgspec.json.Decoder(AlertRaised).decode
_resolved = msgspec.json.Decoder(AlertResolved).decode
_OPEN = ("raised", "acknowledged")


def alerts(
    snapshot: Snapshot, filters: AlertFilter, paged: Paged, streams: StreamVersions
) -> Page[AlertView]:
    """A page of alerts, the one raised last first."""
    c = snapshot.columns(ALERTS)
    statement = snapshot.rows(ALERTS)
    for name in ("instance", "severity", "rule"):
        wanted = getattr(filters, name)
        if wanted is not None:
            statement = statement.where(c[name] == wanted)
    if filters.state is not None:
        states = _OPEN if filters.state == "open" else (filters.state,)
        statement = statement.where(c.state.in_(states))
    return paged.page(
        snapshot,
        statement,
        [(c.raised, True)],
        lambda rows: _views(snapshot, [AlertRow(*row) for row in rows], streams),
    )


def alert(snapshot: Snapshot, alert_id: str, streams: StreamVersions) -> AlertView | None:
    """One alert."""
    row = snapshot.one(ALERTS, snapshot.columns(ALERTS).alert_id == alert_id)
    return _views(snapshot, [row], streams)[0] if row else None


def open_alerts(snapshot: Snapshot, instance: str, streams: StreamVersions) -> tuple[AlertView, ...]:
    """An instance's open alerts, the one raised last first."""
    return tuple(_views(snapshot, _open_rows(snapshot, instance)[::-1], streams))


def still_open(snapshot: Snapshot, instance: str) -> tuple[str, ...]:
    """Ids of an instance's open alerts, oldest first."""
    return tuple(row.alert_id for row in _open_rows(snapshot, instance))


def _open_rows(snapshot: Snapshot, instance: str) -> list[AlertRow]:
    c = snapshot.columns(ALERTS)
    statement = snapshot.rows(ALERTS, c.instance == instance, c.state.in_(_OPEN)).order_by(c.raised)
    return snapshot.fetch(ALERTS, statement)


def _views(snapshot: Snapshot, rows: Sequence[AlertRow], streams: StreamVersions) -> list[AlertView]:
    facts = snapshot.facts(FACTS, [p for row in rows for p in (row.raised, row.acknowledged, row.resolved)])
    stands = streams([stream_of(row.alert_id) for row in rows])
    return [_view(row, facts, stands[stream_of(row.alert_id)]) for row in rows]


def _view(row: AlertRow, facts: dict[int, Fact], stream_version: int) -> AlertView:
    raised = _raised(facts[row.raised].document or b"")
    resolved = None if row.resolved is None else _resolved(facts[row.resolved].document or b"")
    return AlertView(
        id=row.alert_id,
        ref=f"alert:{row.alert_id}",
        instance=row.instance,
        rule=raised.rule,
        rule_name=row.rule,
        metric=raised.metric,
        condition=raised.rule.condition(),
        severity=raised.rule.severity,
        state=cast("AlertState", row.state),
        number=raised.number,
        value=raised.value,
        run_id=raised.run_id,
        raised=act_view(facts[row.raised]),
        acknowledged=_act(row.acknowledged, facts),
        resolved=_act(row.resolved, facts),
        cleared_by=resolved.run_id if resolved else None,
        cleared_value=resolved.value if resolved else None,
        stream_version=stream_version,
    )


def _act(position: int | None, facts: dict[int, Fact]) -> ActView | None:
    return None if position is None else act_view(facts[position])
