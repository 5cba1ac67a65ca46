"""Alert rules: what they match, when they hold, and that no order of values makes an alert flap."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.alert_rules import AlertRule, AlertRuleInvalid, check_rules, rule_called
from tests.alerts.alert_desk import rule
from tests.alerts.judging import changes

_VALUES = st.lists(st.integers(0, 10).map(lambda tenths: tenths / 10), max_size=40)


@st.composite
def rules(draw: st.DrawFn) -> AlertRule:
    """Rules that are not refused."""
    one, other = sorted(draw(st.tuples(*[st.integers(0, 10)] * 2)))
    comparison = draw(st.sampled_from(("gt", "ge", "lt", "le")))
    upwards = comparison in ("gt", "ge")
    made = AlertRule(
        metric="drift.share",
        comparison=comparison,
        threshold=(other if upwards else one) / 10,
        clear_threshold=draw(st.sampled_from((None, (one if upwards else other) / 10))),
        window=draw(st.sampled_from(("last", "mean", "min", "max"))),
        over=draw(st.integers(1, 4)),
        for_runs=draw(st.integers(1, 4)),
        clear_runs=draw(st.integers(1, 4)),
    )
    check_rules([made])
    return made


def compared(watched: AlertRule, values: Sequence[float], end: int) -> float | None:
    """The value that the rule compares at the `end`-th run, told again plainly."""
    over = 1 if watched.window == "last" else watched.over
    if end < over:
        return None
    part = list(values[end - over : end])
    return {"last": part[-1], "mean": sum(part) / over, "min": min(part), "max": max(part)}[watched.window]


@given(watched=rules(), values=_VALUES)
def test_raised_and_resolved_take_turns_and_each_has_its_runs_in_a_row(
    watched: AlertRule, values: list[float]
):
    former = 0
    for number, (end, verdict) in enumerate(changes(watched, values)):
        assert verdict == ("raise", "resolve")[number % 2]
        needed = watched.for_runs if verdict == "raise" else watched.clear_runs
        assert end - former >= needed, "a change counts only what came after the one before"
        test = watched.holds if verdict == "raise" else watched.is_clear
        for place in range(end - needed + 1, end + 1):
            value = compared(watched, values, place)
            assert value is not None
            assert test(value)
        former = end


@given(watched=rules(), values=_VALUES)
def test_an_alert_does_not_wait_longer_than_its_rule_says(watched: AlertRule, values: list[float]):
    changed = dict(changes(watched, values))
    is_open, since = False, 0
    for end in range(1, len(values) + 1):
        if end in changed:
            is_open, since = not is_open, end
            continue
        needed, test = (
            (watched.clear_runs, watched.is_clear) if is_open else (watched.for_runs, watched.holds)
        )
        last = [compared(watched, values, place) for place in range(end - needed + 1, end + 1) if place > 0]
        full = len(last) == needed and end - since >= needed
        assert not (full and all(value is not None and test(value) for value in last))


@given(
    between=st.lists(st.floats(0.25, 0.5, exclude_min=True), max_size=30),
    raised=st.floats(0.5, 1, exclude_min=True),
)
@example(between=[0.5, 0.26, 0.5, 0.26], raised=0.51)
def test_values_between_the_two_thresholds_change_nothing(between: list[float], raised: float):
    watched = rule(threshold=0.5, clear_threshold=0.25)
    assert changes(watched, between) == []
    assert changes(watched, [raised, *between]) == [(1, "raise")]


@given(values=st.lists(st.booleans(), max_size=60), runs=st.integers(2, 5))
def test_a_metric_that_jumps_at_every_run_raises_at_most_once_where_several_runs_are_asked_for(
    values: list[bool], runs: int
):
    watched = rule(for_runs=runs, clear_runs=runs)
    jumping = [float(number % 2) for number in range(len(values))]
    assert changes(watched, jumping) == []
    found = changes(watched, [float(value) for value in values])
    assert len(found) <= len(values) // runs


_LETTERS = st.text("ab.*", min_size=1, max_size=8)


@given(pattern=_LETTERS, metric=st.text("ab.", max_size=8))
def test_a_pattern_matches_as_a_shell_would(pattern: str, metric: str):
    assert rule(pattern).matches(metric) == fnmatchcase(metric, pattern)


def test_a_rule_without_a_name_is_called_by_metric_and_comparison():
    assert rule("drift.feature.*").called == "drift-feature-gt"
    assert rule("*", comparison="le").called == "all-le"
    assert rule("X" * 200).called == "x" * 60 + "-gt"
    assert rule(name="mine").called == "mine"
    assert rule_called([rule(), rule(name="mine")], "mine") == rule(name="mine")
    assert rule_called([rule()], "mine") is None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "> 0.5"),
        ({"comparison": "le", "for_runs": 2}, "<= 0.5, 2 times in a row"),
        ({"window": "mean", "over": 3}, "mean of 3 > 0.5"),
    ],
)
def test_a_condition_reads_as_a_sentence(changed: dict[str, Any], words: str):
    assert rule(**changed).condition() == words


@pytest.mark.parametrize("threshold", [float("inf"), float("-inf"), float("nan")])
def test_a_threshold_is_finite(threshold: float):
    with pytest.raises(AlertRuleInvalid) as caught:
        check_rules([rule(threshold=threshold)])
    assert caught.value.code == "alert.rule_invalid"


@pytest.mark.parametrize(("comparison", "clear"), [("gt", 0.6), ("ge", 0.51), ("lt", 0.4), ("le", 0.49)])
def test_a_clear_threshold_lies_on_the_quiet_side(comparison: Literal["gt", "ge", "lt", "le"], clear: float):
    with pytest.raises(AlertRuleInvalid, match=f"drift-share-{comparison} would clear at"):
        check_rules([rule(comparison=comparison, clear_threshold=clear)])


@pytest.mark.parametrize(
    "broken",
    [
        {"metric": ""},
        {"comparison": "above"},
        {"severity": "fatal"},
        {"window": "median"},
        {"for_runs": 0},
        {"for_runs": 51},
        {"over": 0},
        {"name": "Not a name"},
        {"thresold": 1.0},
    ],
)
def test_a_rule_of_another_form_is_refused_where_it_is_read(broken: dict[str, Any]):
    fields = {"metric": "drift.share", "comparison": "gt", "threshold": 0.5}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields | broken, AlertRule)
