"""The rules: each score is its feature, so the model has nothing to learn and little to store."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from optaic.mlops.bases import JsonModel, matrix


class Rules(JsonModel):
    """Hands the features on as scores; a missing one counts as the middle of its date."""

    def learn(self, features: pl.DataFrame, target: pl.Series, dates: pl.Series) -> Mapping[str, Any]:
        """The names of the rules."""
        return {"rules": list(features.columns)}

    def predict(self, features: pl.DataFrame) -> np.ndarray:
        """One column a rule: shape (n, 3)."""
        return matrix(features.select(self.state["rules"]), missing=0.5)
