"""Regimes: probabilities that sum to one, under labels whose order means something.

A regime's probability is *filtered*: it comes from its own row and what was learned before, so a model that
looks at neighbouring rows while it predicts (a smoother) is a leak, which the lookahead check finds.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import polars as pl

from optaic.mlops.base import BaseEvaluator, BasePredictor, Evaluation
from optaic.mlops.measures.performance import regime

_DUST = 1e-9
"""How far a probability may be below 0, or a sum from 1, by rounding alone."""


def in_order(means: np.ndarray) -> list[int]:
    """The states from the greatest mean to the smallest, so that labels do not flip between refits."""
    return np.argsort(-np.asarray(means, dtype=np.float64), kind="stable").tolist()


class RegimePredictor(BasePredictor):
    """`p_<label>` for each label in order, and `regime`, the likeliest label; the first one wins a tie.

    A subclass names the labels in the order of the model's columns: `class Predictor(RegimePredictor,
    labels=("expansion", "recession"))`.
    """

    labels: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, labels: Sequence[str] = (), **options: Any) -> None:
        super().__init_subclass__(**options)
        if labels:
            cls.labels = tuple(labels)
            cls.columns = {f"p_{label}": "float64" for label in labels} | {"regime": "string"}

    def rows(self, keys: pl.DataFrame, raw: np.ndarray) -> pl.DataFrame:
        """date, entity, the probabilities, regime. Raises ValueError for what is no probability."""
        shares = probabilities(raw, (keys.height, len(self.labels)))
        named = [self.labels[int(place)] for place in np.argmax(shares, axis=1).tolist()]
        columns = [pl.Series(f"p_{label}", shares[:, n]) for n, label in enumerate(self.labels)]
        return keys.select("date", "entity").with_columns(
            *columns, pl.Series("regime", named, dtype=pl.String)
        )


class RegimeEvaluator(BaseEvaluator):
    """auc (two labels), accuracy, log_loss, brier, ece and rows, as in `measures.performance.regime`.

    The outcome is the place of the label that came, from 0. What the last fit measured comes along as
    `train.<name>`.
    """

    def evaluate(self, evaluation: Evaluation) -> dict[str, float]:
        """Left out: figures that the rows do not allow, such as auc where all outcomes are equal."""
        names = [name for name in evaluation.frame.columns if name.startswith("p_")]
        learned = {f"train.{name}": float(value) for name, value in evaluation.train_facts.items()}
        return regime(evaluation.frame, names) | learned


def probabilities(raw: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The raw output as float64 of that shape, each row divided by its sum, which is 1 but for rounding.

    Raises ValueError for another shape, for a value outside [0, 1] and for a sum that is not 1: to divide
    by it would hide that the model is wrong.
    """
    shares = np.asarray(raw, dtype=np.float64)
    if shares.shape != shape:
        message = f"a probability a row and label is needed: shape {shape}, not {shares.shape}"
        raise ValueError(message)
    sums = shares.sum(axis=1)
    wrong = ~((shares >= -_DUST).all(axis=1) & (np.abs(sums - 1) <= _DUST * shape[1]))
    if wrong.any():
        message = f"{int(wrong.sum())} of {shape[0]} rows are no probabilities that sum to 1"
        raise ValueError(message)
    clipped = np.clip(shares, 0.0, None)
    return clipped / clipped.sum(axis=1, keepdims=True)
