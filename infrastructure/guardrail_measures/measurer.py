"""The adapter of `application.ports.Measurer`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from domain.guardrails.contracts import Contract
from domain.guardrails.gates import frame_contracts
from domain.guardrails.kinds import config_of
from domain.guardrails.measurements import Measurement, Measurements
from infrastructure.guardrail_measures import frames

_MEASURES: dict[str, Callable[[Any, pl.DataFrame, int | None], frames.Figures]] = {
    "signal.bounds": frames.bounds,
    "signal.schema": frames.schema,
    "signal.coverage": frames.coverage,
    "regime.probabilities": frames.probabilities,
}


class ParquetMeasurer:
    """Measures a staged Parquet file: date Date, entity str, then the output's columns."""

    def measure(
        self, contracts: Sequence[Contract], output: Path, expected_entities: int | None
    ) -> Measurements:
        """One measurement a contract on rows; `expected_entities`: how many the run's inputs hold."""
        frame = pl.read_parquet(output)
        items = tuple(
            self._one(contract, frame, expected_entities) for contract in frame_contracts(contracts)
        )
        return Measurements(rows=frame.height, items=items)

    def _one(self, contract: Contract, frame: pl.DataFrame, expected_entities: int | None) -> Measurement:
        figures = _MEASURES[contract.kind](config_of(contract), frame, expected_entities)
        return Measurement(
            contract=contract.key(),
            rows=frame.height,
            breaching=figures.breaching,
            observed=figures.observed,
            keys=figures.keys,
        )
