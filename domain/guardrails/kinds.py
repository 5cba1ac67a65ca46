"""The literal table of contract kinds: what its config must look like and who judges it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from domain.guardrails import (
    model_performance,
    regime_probabilities,
    signal_bounds,
    signal_coverage,
    signal_schema,
)
from domain.guardrails.contract_errors import GuardrailContractMalformed, GuardrailKindUnknown
from domain.guardrails.contracts import Contract
from domain.guardrails.findings import Finding
from domain.guardrails.measurements import Measurement


class ContractConfig(Protocol):
    """The decoded config of a contract."""

    def problem(self) -> str | None:
        """Why a config of the right form still makes no sense."""
        ...


@dataclass(frozen=True, slots=True)
class FrameKind:
    """A kind that judges what was measured on output rows."""

    config: type[Any]
    judge: Callable[[Any, Measurement], Finding | None]


@dataclass(frozen=True, slots=True)
class MetricKind:
    """A kind that judges the metrics of a training run or model version."""

    config: type[Any]
    judge: Callable[[Any, Mapping[str, float]], Finding | None]


KINDS: dict[str, FrameKind | MetricKind] = {
    "signal.bounds": FrameKind(signal_bounds.Config, signal_bounds.judge),
    "signal.schema": FrameKind(signal_schema.Config, signal_schema.judge),
    "signal.coverage": FrameKind(signal_coverage.Config, signal_coverage.judge),
    "regime.probabilities": FrameKind(regime_probabilities.Config, regime_probabilities.judge),
    "model.performance": MetricKind(model_performance.Config, model_performance.judge),
}


def kind_of(contract: Contract) -> FrameKind | MetricKind:
    """The kind's entry in the table; raises GuardrailKindUnknown."""
    if contract.kind not in KINDS:
        raise GuardrailKindUnknown(f"no validator for {contract.kind!r}", kinds=sorted(KINDS))
    return KINDS[contract.kind]


def config_of(contract: Contract) -> ContractConfig:
    """The config in its kind's own type; raises GuardrailKindUnknown, GuardrailContractMalformed."""
    kind = kind_of(contract)
    try:
        config: ContractConfig = msgspec.convert(contract.config, kind.config)
    except msgspec.ValidationError as error:
        raise GuardrailContractMalformed(f"{contract.kind}: {error}", contract=contract.kind) from None
    problem = config.problem()
    if problem:
        raise GuardrailContractMalformed(f"{contract.kind}: {problem}", contract=contract.kind)
    return config
