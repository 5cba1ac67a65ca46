"""Gradient-boosted trees (LightGBM), stored as LightGBM's own text."""

from pathlib import Path
from typing import Self

import lightgbm
import numpy as np
import polars as pl
import pydantic
from optaic.mlops.base import BaseModel, Params

MODEL_FILE = "model.txt"


class BoosterParams(Params):
    """Hyper-parameters, those of version 1.0.0. One thread and a fixed seed: equal rows give an equal model."""

    rounds: int = pydantic.Field(default=150, ge=1, le=5000, description="Number of trees.")
    max_depth: int = pydantic.Field(default=3, ge=1, le=12, description="Depth of each tree.")
    learning_rate: float = pydantic.Field(default=0.05, gt=0, le=1, description="Weight of each tree.")
    seed: int = pydantic.Field(default=7, ge=0, description="Seed of the booster.")


class BoosterModel(BaseModel):
    """Squared-error trees from ranked features to the ranked target."""

    Params = BoosterParams
    format = "lightgbm-text"

    def __init__(self, params: pydantic.BaseModel, booster: lightgbm.Booster | None = None) -> None:
        super().__init__(params)
        self.booster = booster

    def fit(self, features: pl.DataFrame, target: pl.Series, dates: pl.Series) -> None:
        """Fit from scratch; `dates` are not used: every row weighs the same."""
        params = BoosterParams.model_validate(self.params.model_dump())
        settings = {
            "objective": "regression",
            "max_depth": params.max_depth,
            "num_leaves": 2**params.max_depth,
            "learning_rate": params.learning_rate,
            "seed": params.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        rows = lightgbm.Dataset(_matrix(features), target.to_numpy(), feature_name=features.columns)
        self.booster = lightgbm.train(settings, rows, num_boost_round=params.rounds)

    def predict(self, features: pl.DataFrame) -> np.ndarray:
        """Raw score per row, shape (n,). Raises RuntimeError before `fit` or `load`."""
        return np.asarray(self._fitted().predict(_matrix(features), num_threads=1))

    def save(self, folder: Path) -> None:
        """Write `model.txt`. Raises RuntimeError before `fit` or `load`."""
        (folder / MODEL_FILE).write_text(self._fitted().model_to_string(), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, params: pydantic.BaseModel) -> Self:
        """Read `model.txt`."""
        text = (folder / MODEL_FILE).read_text(encoding="utf-8")
        return cls(params, lightgbm.Booster(model_str=text))

    def _fitted(self) -> lightgbm.Booster:
        if self.booster is None:
            message = "the model has not been fitted or loaded"
            raise RuntimeError(message)
        return self.booster


def _matrix(features: pl.DataFrame) -> np.ndarray:
    return features.cast(pl.Float64).to_numpy()
