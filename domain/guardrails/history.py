"""What no contract has to say: a model learns neither from survivors unnoticed, nor, in `official`, from
rewritten history that its features could tell.
"""

from collections.abc import Collection, Sequence

import msgspec

from domain.guardrails.events import GateReport, Issue
from domain.guardrails.gates import Space, warned, with_issues
from domain.guardrails.measurements import Measurements
from domain.point_in_time import PitRestatedHistory, PitSurvivorship

UNIVERSE_UNCHANGED = "universe_unchanged"
"""Figure of a measurement: 1 where the universe of every past decision is that of the last."""


class DeclaredInput(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset in a role, by what it declares of its history."""

    role: str
    dataset: str
    restated: bool
    survivorship: bool


def with_survivors(report: GateReport, inputs: Sequence[DeclaredInput]) -> GateReport:
    """The report with a warning for each dataset of survivors (R11); it never blocks."""
    for dataset in dict.fromkeys(one.dataset for one in inputs if one.survivorship):
        report = warned(report, PitSurvivorship.code, f"{dataset} holds only entities that survived")
    return report


def with_restated(
    report: GateReport,
    inputs: Sequence[DeclaredInput],
    history: str,
    scale_free: Collection[str],
    space: Space,
) -> GateReport:
    """The report with restated history (L3): `official` blocks on it, `staging` warns of it. `scale_free`:
    the roles that an evaluation proved so.
    """
    told = [one for one in inputs if one.role not in scale_free]
    words = [
        f"{one.dataset} is restated, and its role {one.role} is not proved scale-free"
        for one in told
        if one.restated
    ]
    if history == "restated" and told:
        roles = ", ".join(dict.fromkeys(one.role for one in told))
        words.append(f"history is `restated`, and not proved scale-free is: {roles}")
    return with_issues(report, tuple(_restated(one, space) for one in dict.fromkeys(words)), space)


def with_universe(report: GateReport, measurements: Measurements | None) -> GateReport:
    """The report with a warning where a universe that was measured never changed (R11)."""
    items = () if measurements is None else measurements.items
    for one in items:
        if one.observed.get(UNIVERSE_UNCHANGED) == 1:
            dates = one.observed.get("dates", 0.0)
            words = f"the universe of all {dates:g} decisions is the last one's: who left was never there"
            return warned(report, PitSurvivorship.code, words)
    return report


def _restated(message: str, space: Space) -> Issue:
    return Issue(
        code=PitRestatedHistory.code,
        severity="error" if space == "official" else "warning",
        message=message,
        contract=PitRestatedHistory.code,
        observed={},
        limit={},
        rows=0,
        keys=(),
    )
