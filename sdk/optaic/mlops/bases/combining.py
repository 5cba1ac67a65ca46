"""Combining signals: weights that are not negative and sum to one, beside the equal weights to be beaten.

The inputs are datasets of predictions. That each was made by a model which had not seen its date is checked
by the pipelines, row by row (`pit.train_after_predict`).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import polars as pl

from optaic.mlops.base import BaseEvaluator, BaseFeatures, BasePredictor, Evaluation, Frames
from optaic.mlops.bases.models import JsonModel, matrix
from optaic.mlops.bases.signal import DIGITS, SIGNAL_FIGURES, finite, signed_rank
from optaic.mlops.measures.performance import signal

SWEEPS_MAX = 10_000
_TOLERANCE = 1e-13


class SignalInputs(BaseFeatures):
    """One feature a signal: `<role>` is the column `signal` of the input of that role.

    `roles`: the inputs that hold signals. An entity that a signal leaves out has none there.
    """

    roles: ClassVar[tuple[str, ...]]
    column: ClassVar[str] = "signal"

    def compute(self, frames: Frames) -> pl.DataFrame:
        """entity, date and one column a role."""
        parts = [
            frames[role].select("entity", "date", pl.col(self.column).cast(pl.Float64).alias(role))
            for role in self.roles
        ]
        rows = parts[0]
        for part in parts[1:]:
            rows = rows.join(part, on=["entity", "date"], how="full", coalesce=True)
        return rows.sort("date", "entity")


class NonNegativeWeights(JsonModel):
    """Least squares of the target on the signals, with weights that are not negative, then summed to one.

    Both sides are centred first. Where no signal helps, the weights are equal.
    """

    def learn(
        self,
        features: pl.DataFrame,
        target: pl.Series,
        dates: pl.Series,  # noqa: ARG002  # every row weighs the same
    ) -> Mapping[str, Any]:
        """The weights by the signal's name; every row weighs the same, whatever its date."""
        rows, wanted = matrix(features), target.cast(pl.Float64).to_numpy()
        weights = simplex_weights(rows - rows.mean(axis=0), wanted - wanted.mean())
        return {"weights": dict(zip(features.columns, weights.tolist(), strict=True))}

    def predict(self, features: pl.DataFrame) -> np.ndarray:
        """The weighted sum and, beside it, the mean of the signals: shape (n, 2). Missing counts as 0."""
        rows = matrix(features)
        weights = np.array([self.state["weights"][name] for name in features.columns])
        return np.column_stack([rows @ weights, rows.mean(axis=1)])

    @property
    def train_facts(self) -> Mapping[str, float]:
        """`weight.<signal>` of the last fit."""
        return {f"weight.{name}": float(value) for name, value in self.state["weights"].items()}


class CombiningPredictor(BasePredictor):
    """`signal`, the combination, and `equal_weights`, the mean: both as ranks within the date in [-1, 1]."""

    columns: ClassVar = {"signal": "float64", "equal_weights": "float64"}

    def rows(self, keys: pl.DataFrame, raw: np.ndarray) -> pl.DataFrame:
        """date, entity, signal, equal_weights. Raises ValueError for a value that is not finite."""
        rows = keys.select("date", "entity").with_columns(
            pl.Series("signal", finite(raw[:, 0], keys.height)),
            pl.Series("equal_weights", finite(raw[:, 1], keys.height)),
        )
        return rows.with_columns(
            signed_rank(pl.col(name).round(DIGITS)).alias(name) for name in ("signal", "equal_weights")
        )


class CombiningEvaluator(BaseEvaluator):
    """The signal's figures, those of equal weights as `equal_weights.<name>`, and the last weights.

    gain: rank_ic minus that of equal weights; not above 0 means that the weights were not worth learning.
    """

    def evaluate(self, evaluation: Evaluation) -> dict[str, float]:
        """All of the signal's figures are 0 where no date can be judged."""
        figures = dict.fromkeys(SIGNAL_FIGURES, 0.0) | signal(evaluation.frame)
        if "equal_weights" in evaluation.frame.columns:
            equal = signal(evaluation.frame, "equal_weights")
            figures |= {f"equal_weights.{name}": value for name, value in equal.items() if name != "dates"}
            figures["gain"] = figures["rank_ic"] - equal.get("rank_ic", 0.0)
        return figures | {name: float(value) for name, value in evaluation.train_facts.items()}


def simplex_weights(rows: np.ndarray, target: np.ndarray) -> np.ndarray:
    """argmin |rows w - target| over w >= 0, divided by its sum; equal weights where w is 0.

    Coordinate descent on the normal equations: each weight in turn takes its best value that is not negative.
    """
    gram, reward = rows.T @ rows, rows.T @ target
    weights = np.zeros(rows.shape[1])
    for _ in range(SWEEPS_MAX):
        before = weights.copy()
        for n in np.flatnonzero(np.diag(gram) > 0):
            pull = reward[n] - gram[n] @ weights + gram[n, n] * weights[n]
            weights[n] = max(0.0, pull / gram[n, n])
        if np.abs(weights - before).max(initial=0.0) <= _TOLERANCE * (1 + np.abs(weights).max(initial=0.0)):
            break
    total = weights.sum()
    return weights / total if total > 0 else np.full(weights.size, 1 / max(weights.size, 1))
