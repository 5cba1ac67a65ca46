"""The one event of the guardrails: a gate was evaluated."""

from typing import Any, ClassVar, Literal

import msgspec

from domain.shared.activity import Event


class Issue(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One contract that did not hold: its code, what was observed against which limit, and where."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    contract: str
    observed: dict[str, float]
    limit: dict[str, Any]
    rows: int
    keys: tuple[str, ...]


class GateReport(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The verdict of a gate: each contract that was judged, and the issues."""

    gate: Literal[
        "definition_submit",
        "instance_create",
        "instance_update",
        "run_submit",
        "run_complete",
        "version_promote",
    ]
    target: str
    """What was judged, such as `training_run:0192…` or `model_version:spx-alpha@3`."""
    ok: bool
    enforced_as: Literal["passed", "warned", "blocked", "overridden"]
    contracts: tuple[str, ...]
    """`kind#hash` of each contract that was judged, in the definition's order."""
    issues: tuple[Issue, ...]
    overridden_by: str | msgspec.UnsetType = msgspec.UNSET
    """Who let it pass although it was blocked; the event has the reason. Left out where nobody did."""


class GuardrailEvaluated(Event, frozen=True, kw_only=True):
    """A gate judged something; passed or not, the report is kept."""

    ACTIONS: ClassVar = ("guardrail.evaluated",)
    report: GateReport

    def resource(self) -> tuple[str, str]:
        kind, _, identity = self.report.target.partition(":")
        return kind, identity
