"""Each rule's rank within its date, mapped to [-1, 1]."""

from typing import ClassVar

import numpy as np
import polars as pl
from optaic.mlops.base import BasePredictor
from optaic.mlops.bases.signal import signed_rank

from training.features import RULES


class Predictor(BasePredictor):
    """`momentum`, `reversal` and `low_volatility`: three signals, one a column."""

    columns: ClassVar = dict.fromkeys(RULES, "float64")

    def rows(self, keys: pl.DataFrame, raw: np.ndarray) -> pl.DataFrame:
        """date, entity and the three signals; equal scores share a place."""
        scores = [pl.Series(rule, raw[:, place], dtype=pl.Float64) for place, rule in enumerate(RULES)]
        rows = keys.select("date", "entity").with_columns(scores)
        return rows.with_columns(signed_rank(pl.col(rule)).alias(rule) for rule in RULES)
