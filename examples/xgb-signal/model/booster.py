"""Gradient-boosted trees (XGBoost), stored as XGBoost's own JSON."""

from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
import pydantic
import xgboost
from optaic.mlops.base import BaseModel, Params

MODEL_FILE = "model.json"


class BoosterParams(Params):
    """Hyper-parameters. One thread and a fixed seed, so that equal rows give an equal model."""

    rounds: int = pydantic.Field(default=150, ge=1, le=5000, description="Number of trees.")
    max_depth: int = pydantic.Field(default=3, ge=1, le=12, description="Depth of each tree.")
    learning_rate: float = pydantic.Field(default=0.05, gt=0, le=1, description="Weight of each tree.")
    seed: int = pydantic.Field(default=7, ge=0, description="Seed of the booster.")


class BoosterModel(BaseModel):
    """Squared-error trees from ranked features to the ranked target."""

    Params = BoosterParams
    format = "xgboost-json"

    def __init__(self, params: pydantic.BaseModel, booster: xgboost.Booster | None = None) -> None:
        super().__init__(params)
        self.booster = booster

    def fit(self, features: pl.DataFrame, target: pl.Series, dates: pl.Series) -> None:
        """Fit from scratch; `dates` are not used: every row weighs the same."""
        params = BoosterParams.model_validate(self.params.model_dump())
        settings = {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "max_depth": params.max_depth,
            "learning_rate": params.learning_rate,
            "seed": params.seed,
            "nthread": 1,
        }
        rows = _rows(features)
        rows.set_label(target.to_numpy())
        self.booster = xgboost.train(settings, rows, num_boost_round=params.rounds)

    def predict(self, features: pl.DataFrame) -> np.ndarray:
        """Raw score per row, shape (n,). Raises RuntimeError before `fit` or `load`."""
        return self._fitted().predict(_rows(features))

    def save(self, folder: Path) -> None:
        """Write `model.json`. Raises RuntimeError before `fit` or `load`."""
        self._fitted().save_model(folder / MODEL_FILE)

    @classmethod
    def load(cls, folder: Path, params: pydantic.BaseModel) -> Self:
        """Read `model.json`."""
        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(folder / MODEL_FILE)
        return cls(params, booster)

    def _fitted(self) -> xgboost.Booster:
        if self.booster is None:
            message = "the model has not been fitted or loaded"
            raise RuntimeError(message)
        return self.booster


def _rows(features: pl.DataFrame) -> xgboost.DMatrix:
    matrix = features.cast(pl.Float32).to_numpy()
    return xgboost.DMatrix(matrix, feature_names=features.columns, nthread=1)
