"""The combination as it is: a weighted mean of signals in [-1, 1] lies in [-1, 1]."""

from typing import ClassVar

import numpy as np
import polars as pl
from optaic.mlops.base import BasePredictor

DIGITS = 12
"""A weighted mean of ones may come out above one by the last bit of a float."""


class Predictor(BasePredictor):
    """`signal`, the combination, and `equal_weights`, the mean of the signals."""

    columns: ClassVar = {"signal": "float64", "equal_weights": "float64"}

    def rows(self, keys: pl.DataFrame, raw: np.ndarray) -> pl.DataFrame:
        """date, entity, signal, equal_weights. Raises ValueError for a value that is not finite."""
        if not np.isfinite(raw).all():
            message = f"{int((~np.isfinite(raw)).any(axis=1).sum())} of {keys.height} rows are not finite"
            raise ValueError(message)
        exact = np.round(raw, DIGITS)
        columns = [pl.Series(name, exact[:, place]) for place, name in enumerate(self.columns)]
        return keys.select("date", "entity").with_columns(columns)
