"""The literal table of contract kinds: what its config must look like and who judges it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import msgspec

from domain.guardrails import (
    dataset_coverage,
    dataset_freshness,
    dataset_pit,
    dataset_schema,
    filter_subset,
    model_freshness,
    model_performance,
    model_stability,
    regime_labels,
    regime_probabilities,
    relevance_scores,
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
    """A kind that judges what was measured on an inference run: its output's rows, its inputs, its model."""

    config: type[Any]
    judge: Callable[[Any, Measurement], Finding | None]
    needs: str = "the output's rows"
    """What has to be there before it can be measured."""


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
    "regime.labels": FrameKind(regime_labels.Config, regime_labels.judge),
    "relevance.scores": FrameKind(relevance_scores.Config, relevance_scores.judge),
    "filter.subset": FrameKind(
        filter_subset.Config, filter_subset.judge, "an output and the pinned input of its role"
    ),
    "dataset.schema": FrameKind(dataset_schema.Config, dataset_schema.judge, "the rows of its role"),
    "dataset.pit": FrameKind(
        dataset_pit.Config, dataset_pit.judge, "knowledge dates and the run's decision times"
    ),
    "dataset.freshness": FrameKind(
        dataset_freshness.Config, dataset_freshness.judge, "a pinned input with a calendar"
    ),
    "dataset.coverage": FrameKind(
        dataset_coverage.Config, dataset_coverage.judge, "rows and the dates expected of them"
    ),
    "model.stability": FrameKind(
        model_stability.Config, model_stability.judge, "a reference to be compared with"
    ),
    "model.freshness": FrameKind(model_freshness.Config, model_freshness.judge, "a model and a moment"),
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
    if not _is_finite(contract.config):
        raise GuardrailContractMalformed(
            f"{contract.kind}: a limit that is infinite or no number limits nothing", contract=contract.kind
        )
    try:
        config: ContractConfig = msgspec.convert(contract.config, kind.config)
    except msgspec.ValidationError as error:
        raise GuardrailContractMalformed(f"{contract.kind}: {error}", contract=contract.kind) from None
    problem = config.problem()
    if problem:
        raise GuardrailContractMalformed(f"{contract.kind}: {problem}", contract=contract.kind)
    return config


def _is_finite(value: object) -> bool:
    """TOML knows nan and inf; an event that is JSON could not even keep them."""
    match value:
        case float():
            return math.isfinite(value)
        case dict():
            return all(map(_is_finite, cast("dict[str, object]", value).values()))
        case list() | tuple():
            return all(map(_is_finite, cast("list[object]", value)))
        case _:
            return True


def config_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of a kind's config; raises GuardrailKindUnknown."""
    return msgspec.json.schema(kind_of(Contract(kind=kind)).config)
