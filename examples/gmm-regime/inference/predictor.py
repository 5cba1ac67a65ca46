"""The regime of a quarter: two probabilities and the name of the larger."""

from typing import ClassVar

import numpy as np
import polars as pl
from optaic.mlops.base import BasePredictor


class Predictor(BasePredictor):
    """One row per (date, entity); the model's first state, the one of higher growth, is the expansion."""

    columns: ClassVar = {"p_expansion": "float64", "p_recession": "float64", "regime": "string"}

    def rows(self, keys: pl.DataFrame, raw: np.ndarray) -> pl.DataFrame:
        """date, entity, two probabilities that sum to 1, and `expansion` or `recession`."""
        likelier = (
            pl.when(pl.col("p_recession") > 0.5).then(pl.lit("recession")).otherwise(pl.lit("expansion"))
        )
        return (
            keys.select("date", "entity")
            .with_columns(
                pl.Series("p_expansion", raw[:, 0], dtype=pl.Float64),
                pl.Series("p_recession", raw[:, 1], dtype=pl.Float64),
            )
            .with_columns(likelier.alias("regime"))
        )
