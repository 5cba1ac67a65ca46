"""Whatever the order of runs and of the delays of the policy: at most one alert a rule and metric is open."""

import tempfile
from collections import defaultdict
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.policies import alerting
from domain.alert.commands import AcknowledgeAlert, ResolveAlert
from domain.alert.events import AlertRaised, AlertResolved
from domain.run.events import RunCompleted
from tests.alerts.alert_desk import AlertDesk, rule
from tests.alerts.judging import changes
from tests.support.desk import predictions
from tests.support.valid import NOW

RULES = (
    rule("drift.feature.*", 0.5, clear_threshold=0.25, name="features"),
    rule("drift.feature.a", 0.5, for_runs=2, clear_runs=2, name="patient"),
)
_METRICS = st.fixed_dictionaries(
    {},
    optional={name: st.sampled_from((0.0, 0.3, 0.6, 0.9)) for name in ("drift.feature.a", "drift.feature.b")},
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("complete"), _METRICS, st.integers(0, 5)),
        st.tuples(st.sampled_from(("follow", "again", "acknowledge", "resolve"))),
    ),
    max_size=25,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=_STEPS)
def test_at_most_one_alert_a_rule_and_metric_is_open(steps: list[tuple]):
    with tempfile.TemporaryDirectory() as folder, AlertDesk(Path(folder)) as desk:
        desk.ready(alert_rules=RULES)
        desk.promoted()
        desk.inferred(predictions(NOW))
        waiting = [desk.start(desk.submit("monitoring")) for _ in range(6)]
        for step in steps:
            _take(desk, step, waiting)
        desk.follow()
        _check(desk)
        if ("resolve",) not in steps:
            _check_as_told_plainly(desk)


def _take(desk: AlertDesk, step: tuple, waiting: list[str]) -> None:
    """One step: runs end in any order, and the policy acts late, or on the same event again."""
    match step:
        case ("complete", metrics, place):
            run_id = waiting.pop(place)
            waiting.append(desk.start(desk.submit("monitoring")))
            desk.complete(run_id, metrics)
        case ("follow",):
            desk.follow()
        case ("again",):
            for recorded in desk.since(0):
                if isinstance(recorded.event, RunCompleted) and recorded.position <= desk.acted:
                    alerting.judge_run(recorded, desk.policies())
        case (verb,):
            made = AcknowledgeAlert if verb == "acknowledge" else ResolveAlert
            ended = {one.alert_id for one in desk.alert_events() if isinstance(one, AlertResolved)}
            for raised in desk.raised():
                if raised.alert_id not in ended:
                    desk.send(made(alert_id=raised.alert_id))
        case _:
            raise AssertionError(step)


def _check(desk: AlertDesk) -> None:
    """Raised and resolved take turns in each stream, and numbers have no holes."""
    open_ones: dict[tuple[str, str], str] = {}
    numbers: dict[tuple[str, str], int] = defaultdict(int)
    for event in desk.alert_events():
        if isinstance(event, AlertRaised):
            target = (event.rule.called, event.metric)
            assert target not in open_ones, "two are open"
            numbers[target] += 1
            assert event.number == numbers[target]
            open_ones[target] = event.alert_id
        elif isinstance(event, AlertResolved):
            target = next(key for key, identity in open_ones.items() if identity == event.alert_id)
            del open_ones[target]


def _check_as_told_plainly(desk: AlertDesk) -> None:
    """Where nobody resolves, the alerts are those of the values in the order in which runs ended."""
    ended = [one.event for one in desk.since(0) if isinstance(one.event, RunCompleted)]
    told: dict[tuple[str, str], list[tuple[str | None, str]]] = defaultdict(list)
    targets: dict[str, tuple[str, str]] = {}
    for event in desk.alert_events():
        if isinstance(event, AlertRaised):
            targets[event.alert_id] = (event.rule.called, event.metric)
            told[targets[event.alert_id]].append((event.run_id, "raise"))
        elif isinstance(event, AlertResolved):
            told[targets[event.alert_id]].append((event.run_id, "resolve"))
    for watched in RULES:
        for metric in filter(watched.matches, ("drift.feature.a", "drift.feature.b")):
            runs = [one for one in ended if metric in one.metrics]
            found = changes(watched, [one.metrics[metric] for one in runs])
            expected = [(runs[end - 1].run_id, verdict) for end, verdict in found]
            assert told[watched.called, metric] == expected
