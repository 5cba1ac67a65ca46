"""The adapter of `application.ports.Measurer`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from application.ports import MeasuredRun
from domain.guardrails.contracts import Contract
from domain.guardrails.gates import frame_contracts
from domain.guardrails.kinds import config_of
from domain.guardrails.measurements import Measurement, Measurements
from infrastructure.guardrail_measures import comparisons, datasets, frames
from infrastructure.guardrail_measures.figures import Figures

_MEASURES: dict[str, Callable[[Any, pl.DataFrame, MeasuredRun], Figures | None]] = {
    "signal.bounds": frames.bounds,
    "signal.schema": frames.schema,
    "signal.coverage": frames.coverage,
    "regime.probabilities": frames.probabilities,
    "regime.labels": frames.labels,
    "relevance.scores": frames.scores,
    "filter.subset": comparisons.subset,
    "dataset.schema": datasets.schema,
    "dataset.pit": datasets.pit,
    "dataset.freshness": datasets.freshness,
    "dataset.coverage": datasets.coverage,
    "model.stability": comparisons.stability,
    "model.freshness": comparisons.age,
}


class ParquetMeasurer:
    """Measures a staged Parquet file: date Date, entity str, then the output's columns."""

    def measure(self, contracts: Sequence[Contract], output: Path, run: MeasuredRun) -> Measurements:
        """One measurement a contract on rows, but for those whose facts `run` does not have."""
        frame = pl.read_parquet(output)
        measured = (self._one(contract, frame, run) for contract in frame_contracts(contracts))
        return Measurements(rows=frame.height, items=tuple(item for item in measured if item is not None))

    def _one(self, contract: Contract, frame: pl.DataFrame, run: MeasuredRun) -> Measurement | None:
        figures = _MEASURES[contract.kind](config_of(contract), frame, run)
        if figures is None:
            return None
        return Measurement(
            contract=contract.key(),
            rows=frame.height if figures.rows is None else figures.rows,
            breaching=figures.breaching,
            observed=figures.observed,
            keys=figures.keys,
        )
