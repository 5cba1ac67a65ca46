"""Trees that rank the signals of one date (LightGBM, LambdaRank), stored as LightGBM's own text."""

from pathlib import Path
from typing import Self

import lightgbm
import numpy as np
import polars as pl
import pydantic
from optaic.mlops.base import BaseModel, Params

MODEL_FILE = "model.txt"
GRADES = 5
"""A signal's relevance is the fifth of its date that its payoff fell into, from 0 to 4."""


class RankerParams(Params):
    """Hyper-parameters. One thread and a fixed seed, so that equal rows give an equal model."""

    rounds: int = pydantic.Field(default=100, ge=1, le=5000, description="Number of trees.")
    leaves: int = pydantic.Field(default=8, ge=2, le=256, description="Leaves of each tree.")
    learning_rate: float = pydantic.Field(default=0.1, gt=0, le=1, description="Weight of each tree.")
    seed: int = pydantic.Field(default=7, ge=0, description="Seed of the booster.")


class Ranker(BaseModel):
    """Scores signals so that within a date those that pay more come first."""

    Params = RankerParams
    format = "lightgbm-text"

    def __init__(self, params: pydantic.BaseModel, booster: lightgbm.Booster | None = None) -> None:
        super().__init__(params)
        self.booster = booster

    def fit(self, features: pl.DataFrame, target: pl.Series, dates: pl.Series) -> None:
        """Fit from scratch; a date is a group, its rows stand together."""
        params = RankerParams.model_validate(self.params.model_dump())
        settings = {
            "objective": "lambdarank",
            "num_leaves": params.leaves,
            "learning_rate": params.learning_rate,
            "seed": params.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        groups = dates.to_frame("date").group_by("date", maintain_order=True).len()["len"]
        grades = (target * GRADES).ceil().clip(1, GRADES) - 1
        rows = lightgbm.Dataset(
            _matrix(features), grades.to_numpy(), group=groups.to_numpy(), feature_name=features.columns
        )
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
