"""A gate judges contracts on measurements and metrics: pure, so equal facts give equal reports."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from domain.guardrails.contract_errors import GuardrailContractMalformed
from domain.guardrails.contracts import Contract
from domain.guardrails.events import GateReport, Issue
from domain.guardrails.findings import Finding
from domain.guardrails.kinds import FrameKind, MetricKind, config_of, kind_of
from domain.guardrails.measurements import Measurement, Measurements
from domain.point_in_time import PitRestatedHistory

Gate = Literal[
    "definition_submit", "instance_create", "instance_update", "run_submit", "run_complete", "version_promote"
]
Space = Literal["staging", "official"]


def check_contracts(contracts: Iterable[Contract]) -> None:
    """Refuse contracts that could never be judged: unknown kind, malformed config, a repetition."""
    seen: set[str] = set()
    for contract in contracts:
        config_of(contract)
        if contract.key() in seen:
            raise GuardrailContractMalformed(
                f"{contract.kind} stands twice with the same config", contract=contract.kind
            )
        seen.add(contract.key())


def frame_contracts(contracts: Iterable[Contract]) -> tuple[Contract, ...]:
    """Those that judge what an inference run took in and gave, in their order."""
    return tuple(contract for contract in contracts if isinstance(kind_of(contract), FrameKind))


def evaluate(
    gate: Gate,
    target: str,
    contracts: Sequence[Contract],
    measurements: Measurements | None,
    metrics: Mapping[str, float] | None,
    space: Space,
) -> GateReport:
    """Judge every contract for which there are facts: measured rows, or metrics (None: not this gate's).

    A contract on rows without its measurement breaks: nothing passes for want of looking. `official`
    blocks on an error, `staging` warns unless the contract says block; one that says warn never blocks.
    """
    measured = None if measurements is None else {item.contract: item for item in measurements.items}
    judged = [contract for contract in contracts if _has_facts(contract, measured, metrics)]
    findings = [(contract, _judge(contract, measured or {}, metrics or {})) for contract in judged]
    return reported(gate, target, findings, space)


def reported(
    gate: Gate, target: str, findings: Sequence[tuple[Contract, Finding | None]], space: Space
) -> GateReport:
    """The report of what was found of each contract that was judged; None: it holds."""
    broken = [(contract, finding) for contract, finding in findings if finding is not None]
    blocks = any(_blocks(contract, space) for contract, _ in broken)
    issues = tuple(_issue(contract, finding) for contract, finding in broken)
    return GateReport(
        gate=gate,
        target=target,
        ok=not any(issue.severity == "error" for issue in issues),
        enforced_as="blocked" if blocks else "warned" if issues else "passed",
        contracts=tuple(contract.key() for contract, _ in findings),
        issues=issues,
    )


_WORST: tuple[Literal["passed", "warned", "blocked", "overridden"], ...] = ("passed", "warned", "blocked")


def combined(target: str, reports: Sequence[GateReport]) -> GateReport | None:
    """One report for runs that are submitted together: each contract once, each kind of issue by the first
    run that has it; it blocks if one of them blocks. None: there was nothing to judge.
    """
    if not reports:
        return None
    issues = {
        (issue.contract, issue.code): issue for one in reversed(reports) for issue in reversed(one.issues)
    }
    return GateReport(
        gate=reports[0].gate,
        target=target,
        ok=all(one.ok for one in reports),
        enforced_as=_WORST[max(_WORST.index(one.enforced_as) for one in reports)],
        contracts=tuple(dict.fromkeys(key for one in reports for key in one.contracts)),
        issues=tuple(reversed(issues.values())),
    )


def overridden(report: GateReport, principal: str) -> GateReport:
    """A blocked report that somebody takes upon himself: issues and verdict stay, it blocks no more. Restated
    history is nobody's to take.
    """
    is_never = any(one.code == PitRestatedHistory.code and one.severity == "error" for one in report.issues)
    if report.enforced_as != "blocked" or is_never:
        return report
    return msgspec.structs.replace(report, enforced_as="overridden", overridden_by=principal)


def warned(report: GateReport, code: str, message: str) -> GateReport:
    """The report with a warning that no contract gives; it never blocks."""
    warning = Issue(
        code=code,
        severity="warning",
        message=message,
        contract=code,
        observed={},
        limit={},
        rows=0,
        keys=(),
    )
    enforced = "warned" if report.enforced_as == "passed" else report.enforced_as
    return msgspec.structs.replace(report, enforced_as=enforced, issues=(*report.issues, warning))


def with_issues(report: GateReport, issues: tuple[Issue, ...], space: Space) -> GateReport:
    """The report with issues that no contract gives; an error blocks in `official`."""
    if not issues:
        return report
    is_error = any(one.severity == "error" for one in issues)
    blocks = report.enforced_as == "blocked" or (is_error and space == "official")
    return msgspec.structs.replace(
        report,
        ok=report.ok and not is_error,
        enforced_as="blocked" if blocks else "warned",
        issues=(*report.issues, *issues),
    )


def _has_facts(
    contract: Contract, measured: Mapping[str, Measurement] | None, metrics: Mapping[str, float] | None
) -> bool:
    facts = measured if isinstance(kind_of(contract), FrameKind) else metrics
    return facts is not None


def _judge(
    contract: Contract, measured: Mapping[str, Measurement], metrics: Mapping[str, float]
) -> Finding | None:
    kind = kind_of(contract)
    config = config_of(contract)
    if isinstance(kind, MetricKind):
        return kind.judge(config, metrics)
    measurement = measured.get(contract.key())
    if measurement is None:
        message = f"{contract.kind} was not measured: it needs {kind.needs}"
        return Finding(code="guardrail.not_measured", message=message, observed={}, limit={})
    return kind.judge(config, measurement)


def _blocks(contract: Contract, space: Space) -> bool:
    return contract.enforce == "block" or (contract.enforce == "by_space" and space == "official")


def _issue(contract: Contract, finding: Finding) -> Issue:
    return Issue(
        code=finding.code,
        severity="warning" if contract.enforce == "warn" else "error",
        message=finding.message,
        contract=contract.key(),
        observed=finding.observed,
        limit=finding.limit,
        rows=finding.rows,
        keys=finding.keys,
    )
