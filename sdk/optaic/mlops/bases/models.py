"""Models whose whole state is a few numbers, stored as JSON."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import pydantic

from optaic.mlops.base import BaseModel

FILE = "state.json"


class JsonModel(BaseModel):
    """A subclass says what is learned and what is predicted from it; saving and loading are done."""

    format = "json"

    def __init__(self, params: pydantic.BaseModel, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(params)
        self._state = state

    @property
    def state(self) -> Mapping[str, Any]:
        """What was learned. Raises RuntimeError before `fit` or `load`."""
        if self._state is None:
            message = "the model has not been fitted or loaded"
            raise RuntimeError(message)
        return self._state

    @abstractmethod
    def learn(self, features: pl.DataFrame, target: pl.Series, dates: pl.Series) -> Mapping[str, Any]:
        """The state, of what JSON can hold: numbers, text, lists, mappings."""

    def fit(self, features: pl.DataFrame, target: pl.Series, dates: pl.Series) -> None:
        """Learn from scratch."""
        self._state = self.learn(features, target, dates)

    def save(self, folder: Path) -> None:
        """Write `state.json`; equal states give equal bytes, and numbers come back exactly."""
        content = json.dumps(self.state, sort_keys=True, allow_nan=False)
        (folder / FILE).write_text(content + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, params: pydantic.BaseModel) -> Self:
        """Read `state.json`."""
        return cls(params, json.loads((folder / FILE).read_text(encoding="utf-8")))


def matrix(features: pl.DataFrame, missing: float = 0.0) -> np.ndarray:
    """The features as float64, shape (n, k); what is missing counts as `missing`."""
    return features.select(pl.all().cast(pl.Float64).fill_nan(None).fill_null(missing)).to_numpy()
