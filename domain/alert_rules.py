"""Alert rules: which metric of a run may not cross which line, and the pure engine that judges its history.

A rule and one metric that it matches are a *target*: each has an alert of its own, quiet or open.

quiet ──the last `for_runs` values hold──> raise      open ──the last `clear_runs` values are clear──> resolve

A value between `clear_threshold` and `threshold` neither holds nor is clear: it changes nothing.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from operator import ge, gt, le, lt
from statistics import fmean
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from domain.shared.errors import RuleBroken
from domain.shared.ids import Name

Comparison = Literal["gt", "ge", "lt", "le"]
Severity = Literal["info", "warning", "error", "critical"]
Window = Literal["last", "mean", "min", "max"]
Verdict = Literal["raise", "keep", "resolve"]

RULES_MAX = 64
Runs = Annotated[int, msgspec.Meta(ge=1, le=50)]
MetricPattern = Annotated[str, msgspec.Meta(min_length=1, max_length=250)]

_COMPARE: dict[Comparison, Callable[[float, float], bool]] = {"gt": gt, "ge": ge, "lt": lt, "le": le}
_SIGNS: dict[Comparison, str] = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_WINDOWS: dict[Window, Callable[[Sequence[float]], float]] = {
    "last": lambda values: values[-1],
    "mean": fmean,
    "min": min,
    "max": max,
}


_NO_NAME = re.compile("[^a-z0-9]+")
_WORDS_MAX = 60


class AlertRuleInvalid(RuleBroken):
    """An alert rule that cannot work: its name stands twice, or its thresholds are the wrong way round."""

    remedy = "Give each rule a name of its own, and a clear_threshold on the quiet side of its threshold."


class AlertRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """When a metric of completed runs raises an alert, and when that alert resolves by itself."""

    name: Name | UnsetType = UNSET
    """Default: made of metric and comparison, such as `drift-share-gt`."""
    metric: MetricPattern
    """A metric's name; `*` stands for any characters: `drift.feature.*` watches each feature by itself."""
    comparison: Comparison
    threshold: float
    severity: Severity = "warning"
    window: Window = "last"
    """What of the latest `over` runs is compared."""
    over: Runs = 1
    for_runs: Runs = 1
    """The comparison must hold in so many evaluations in a row before an alert is raised."""
    clear_threshold: float | None = None
    """An open alert resolves once the comparison with this no longer holds; default: `threshold`."""
    clear_runs: Runs = 1
    """… in so many evaluations in a row."""

    @property
    def called(self) -> str:
        """The name by which alerts and refusals speak of the rule."""
        if self.name is not UNSET:
            return self.name
        words = _NO_NAME.sub("-", self.metric.lower()).strip("-")[:_WORDS_MAX].strip("-")
        return f"{words or 'all'}-{self.comparison}"

    def matches(self, metric: str) -> bool:
        """Whether this rule watches a metric."""
        first, *rest = self.metric.split("*")
        if not rest:
            return metric == first
        *inner, last = rest
        if not metric.startswith(first) or not metric[len(first) :].endswith(last):
            return False
        return _contains_in_order(metric[len(first) : len(metric) - len(last)], inner)

    def holds(self, value: float) -> bool:
        """Whether a value is over the line."""
        return _COMPARE[self.comparison](value, self.threshold)

    def is_clear(self, value: float) -> bool:
        """Whether a value is back on the quiet side of the clear threshold."""
        return not _COMPARE[self.comparison](value, self.quiet_threshold)

    @property
    def quiet_threshold(self) -> float:
        """The line behind which an open alert resolves."""
        return self.threshold if self.clear_threshold is None else self.clear_threshold

    @property
    def values_needed(self) -> int:
        """How many of the latest values a judgement looks at."""
        return self.over + max(self.for_runs, self.clear_runs) - 1

    def condition(self) -> str:
        """The line in words: `mean of 3 > 0.25, 2 times in a row`."""
        of = "" if self.window == "last" else f"{self.window} of {self.over} "
        times = "" if self.for_runs == 1 else f", {self.for_runs} times in a row"
        return f"{of}{_SIGNS[self.comparison]} {self.threshold:g}{times}"


def _contains_in_order(text: str, pieces: Sequence[str]) -> bool:
    """Whether the pieces stand in the text one after the other, in time that grows with its length only."""
    start = 0
    for piece in pieces:
        found = text.find(piece, start)
        if found < 0:
            return False
        start = found + len(piece)
    return True


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What an evaluation of one target says, and the value that was compared; None: too few runs."""

    verdict: Verdict
    value: float | None


def judge(rule: AlertRule, values: Sequence[float], *, is_open: bool, since: int | None = None) -> Judgement:
    """Judge the values of the latest runs, oldest first.

    `since`: how many of them came after the target's state changed last; only those count towards a change
    back, so that an alert which somebody resolved is not raised again by what was known then. None: all.
    """
    series = _windowed(rule, values)
    if not series:
        return Judgement(verdict="keep", value=None)
    fresh = len(values) if since is None else since
    needed, test = (rule.clear_runs, rule.is_clear) if is_open else (rule.for_runs, rule.holds)
    changes = min(fresh, len(series)) >= needed and all(map(test, series[-needed:]))
    change: Verdict = "resolve" if is_open else "raise"
    return Judgement(verdict=change if changes else "keep", value=series[-1])


def _windowed(rule: AlertRule, values: Sequence[float]) -> list[float]:
    """The value compared at each run that has a whole window behind it."""
    over = 1 if rule.window == "last" else rule.over
    return [_WINDOWS[rule.window](values[end - over : end]) for end in range(over, len(values) + 1)]


def check_rules(rules: Iterable[AlertRule]) -> None:
    """Raises AlertRuleInvalid, which names the rule."""
    seen: set[str] = set()
    for rule in rules:
        if rule.called in seen:
            raise AlertRuleInvalid(f"two alert rules are called {rule.called}", rule=rule.called)
        seen.add(rule.called)
        _check_thresholds(rule)


def _check_thresholds(rule: AlertRule) -> None:
    if not (isfinite(rule.threshold) and isfinite(rule.quiet_threshold)):
        raise AlertRuleInvalid(f"the thresholds of {rule.called} must be finite", rule=rule.called)
    upwards = rule.comparison in ("gt", "ge")
    distance = rule.threshold - rule.quiet_threshold
    if (distance if upwards else -distance) < 0:
        raise AlertRuleInvalid(
            f"{rule.called} would clear at {rule.quiet_threshold:g} while {rule.threshold:g} still raises it",
            rule=rule.called,
        )


def rule_called(rules: Iterable[AlertRule], name: str) -> AlertRule | None:
    """The rule of this name, if there is one."""
    return next((rule for rule in rules if rule.called == name), None)
