"""The signal: the rank of the raw score among the entities of one date, mapped to [-1, 1]."""

from typing import ClassVar

import numpy as np
import polars as pl
from optaic.mlops.base import BasePredictor


class Predictor(BasePredictor):
    """One signal per (date, entity): -1 for the date's lowest score, 1 for its highest, 0 for a lone entity."""

    columns: ClassVar = {"signal": "float64"}

    def rows(self, keys: pl.DataFrame, raw: np.ndarray) -> pl.DataFrame:
        """date, entity, signal in [-1, 1]; equal scores share the mean of their places."""
        scores = keys.select("date", "entity").with_columns(pl.Series("raw", raw, dtype=pl.Float64))
        place = pl.col("raw").rank("average").over("date") - 1
        others = pl.len().over("date") - 1
        signal = pl.when(others > 0).then(2 * place / others - 1).otherwise(0.0)
        return scores.select("date", "entity", signal.cast(pl.Float64).alias("signal"))
