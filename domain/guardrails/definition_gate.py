"""The gate of a submitted definition: each contract is about columns and inputs that the definition has."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from domain.guardrails.contracts import Contract
from domain.guardrails.events import GateReport
from domain.guardrails.findings import Finding
from domain.guardrails.gates import reported
from domain.guardrails.kinds import config_of

RUN_COLUMNS: Mapping[str, str] = {"trained_as_of": "timestamp", "model_version": "int64"}
"""Every output has these beside the predictor's."""
_NUMBERS = ("float64", "float32", "int64", "int32")
_OF_NUMBERS = ("signal.bounds", "regime.probabilities", "relevance.scores", "model.stability")


def judge_definition(
    target: str, contracts: Sequence[Contract], columns: Mapping[str, str], roles: Collection[str]
) -> GateReport:
    """Judge the law itself: a contract that could never be measured is found before anything runs.

    `columns`: the predictor's output, name → type; `roles`: of the inputs. Only one that says warn does not
    block: there is no space yet.
    """
    findings = [(one, _finding(one, {**RUN_COLUMNS, **columns}, roles)) for one in contracts]
    return reported("definition_submit", target, findings, "official")


def _finding(contract: Contract, columns: Mapping[str, str], roles: Collection[str]) -> Finding | None:
    config: Any = config_of(contract)
    for field in ("role", "reference", "universe"):
        role = getattr(config, field, None)
        if role is not None and role not in roles:
            limit = {"roles": sorted(roles)}
            return _breach("role_unknown", contract, f"no input has the role {role!r}", limit)
    if contract.kind.startswith("dataset.") and config.role is not None:
        return None
    for name, wanted in _asked(contract.kind, config).items():
        have = columns.get(name)
        if have is None or (wanted and have not in wanted):
            words = f"the output has no column {name!r}" if have is None else f"{name!r} is {have}"
            return _breach("column_unfit", contract, words, {"columns": dict(columns)})
    return None


def _asked(kind: str, config: Any) -> dict[str, tuple[str, ...]]:
    """Columns of the output that the contract looks at → the types that will do; none: any."""
    numbers = _NUMBERS if kind in _OF_NUMBERS else ()
    columns: Mapping[str, str] | Sequence[str] = getattr(config, "columns", ())
    asked: dict[str, tuple[str, ...]] = (
        {name: (wanted,) for name, wanted in columns.items()}
        if isinstance(columns, Mapping)
        else dict.fromkeys(columns, numbers)
    )
    column = getattr(config, "column", None)
    if column is not None:
        asked[column] = ("string",) if kind == "regime.labels" else numbers
    ordered_by = getattr(config, "ordered_by", None)
    return asked if ordered_by is None else {**asked, ordered_by: _NUMBERS}


def _breach(rule: str, contract: Contract, words: str, limit: dict[str, Any]) -> Finding:
    return Finding(code=f"guardrail.{rule}", message=f"{contract.kind}: {words}", observed={}, limit=limit)
