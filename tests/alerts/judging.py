"""A rule judged run by run, over values that stand in a list."""

from collections.abc import Sequence

from domain.alert_rules import AlertRule, judge


def changes(watched: AlertRule, values: Sequence[float]) -> list[tuple[int, str]]:
    """The run's place and the verdict, at each change; judged run by run, as the policy does."""
    found: list[tuple[int, str]] = []
    is_open, changed = False, 0
    for end in range(1, len(values) + 1):
        seen = values[max(0, end - watched.values_needed) : end]
        verdict = judge(watched, seen, is_open=is_open, since=end - changed).verdict
        if verdict != "keep":
            is_open, changed = verdict == "raise", end
            found.append((end, verdict))
    return found
