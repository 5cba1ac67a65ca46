"""Alerts: given these events of a rule and metric, when this is decided, then those events or a refusal."""

import pytest

from domain.alert import decider
from domain.alert.commands import RaiseAlert
from domain.alert.errors import AlertAlreadyResolved, AlertNotCrossed, AlertRuleUnknown, AlertUnknown
from domain.alert.events import AlertAcknowledged, AlertRaised, AlertResolved
from domain.shared.activity import Event
from tests.alerts.alert_desk import rule
from tests.support.given_when_then import Given

given = Given(decider.INITIAL, decider.evolve)
RULE = rule()
WISH = RaiseAlert(instance="spx-alpha", rule="drift-share-gt", metric="drift.share", value=0.75)
STREAM = decider.stream("spx-alpha", "drift-share-gt", "drift.share")
FIRST, SECOND = decider.alert_id(STREAM, 1), decider.alert_id(STREAM, 2)


def raised(number: int = 1) -> AlertRaised:
    return AlertRaised(
        alert_id=decider.alert_id(STREAM, number),
        instance="spx-alpha",
        number=number,
        rule=RULE,
        metric="drift.share",
        value=0.75,
        run_id=None,
    )


ACKNOWLEDGED = AlertAcknowledged(alert_id=FIRST, instance="spx-alpha")
RESOLVED = AlertResolved(alert_id=FIRST, instance="spx-alpha", run_id=None, value=None)
OPEN: list[tuple[Event, ...]] = [(raised(),), (raised(), ACKNOWLEDGED)]


def test_the_first_alert_has_number_one():
    given().when(lambda s: decider.raise_alert(s, WISH, RULE)).then(raised())


@pytest.mark.parametrize("past", OPEN)
def test_while_one_is_open_no_other_is_raised(past: tuple[Event, ...]):
    given(*past).when(lambda s: decider.raise_alert(s, WISH, RULE)).then()


def test_after_the_last_one_is_resolved_the_next_is_raised():
    given(raised(), RESOLVED).when(lambda s: decider.raise_alert(s, WISH, RULE)).then(raised(2))


def test_only_a_rule_that_there_is_and_that_watches_the_metric_raises():
    given().when(lambda s: decider.raise_alert(s, WISH, None)).refused(AlertRuleUnknown)
    given().when(lambda s: decider.raise_alert(s, WISH, rule("other"))).refused(AlertRuleUnknown)


@pytest.mark.parametrize("value", [0.5, 0.0, float("nan"), float("inf")])
def test_a_value_that_does_not_cross_the_line_raises_nothing(value: float):
    quiet = RaiseAlert(instance="spx-alpha", rule="drift-share-gt", metric="drift.share", value=value)
    given().when(lambda s: decider.raise_alert(s, quiet, RULE)).refused(AlertNotCrossed, "> 0.5")


def test_an_open_alert_is_acknowledged_once():
    given(raised()).when(lambda s: decider.acknowledge(s, FIRST)).then(ACKNOWLEDGED)
    given(raised(), ACKNOWLEDGED).when(lambda s: decider.acknowledge(s, FIRST)).then()


def test_a_resolved_alert_is_not_acknowledged():
    given(raised(), RESOLVED).when(lambda s: decider.acknowledge(s, FIRST)).refused(AlertAlreadyResolved)
    past = (raised(), RESOLVED, raised(2))
    given(*past).when(lambda s: decider.acknowledge(s, FIRST)).refused(AlertAlreadyResolved)


@pytest.mark.parametrize("past", OPEN)
def test_an_open_alert_is_resolved_from_either_state(past: tuple[Event, ...]):
    given(*past).when(lambda s: decider.resolve(s, FIRST, None, None)).then(RESOLVED)


def test_resolving_again_or_an_earlier_one_changes_nothing():
    given(raised(), RESOLVED).when(lambda s: decider.resolve(s, FIRST, None, None)).then()
    given(raised(), RESOLVED, raised(2)).when(lambda s: decider.resolve(s, FIRST, None, None)).then()


def test_an_alert_that_was_never_raised_is_unknown():
    given().when(lambda s: decider.acknowledge(s, FIRST)).refused(AlertUnknown)
    given(raised()).when(lambda s: decider.resolve(s, SECOND, None, None)).refused(AlertUnknown)


def test_rule_and_metric_and_instance_decide_the_stream():
    names = ("spx-alpha", "drift", "drift.share")
    others = [("spx-beta", *names[1:]), ("spx-alpha", "drift2", "drift.share"), (*names[:2], "x")]
    assert len({decider.stream(*one) for one in (names, *others)}) == 4
    assert decider.stream_of(decider.alert_id(decider.stream(*names), 7)) == decider.stream(*names)
