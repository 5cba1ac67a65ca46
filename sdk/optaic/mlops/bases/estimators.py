"""Models that are one estimator of scikit-learn, xgboost or lightgbm, in the safe format of its library."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import pydantic

from optaic.mlops import model_files
from optaic.mlops.base import BaseModel
from optaic.mlops.bases.models import matrix

NAME = "estimator"


class EstimatorModel(BaseModel):
    """A subclass says which estimator; fitting, predicting, saving and loading are done.

    The estimator has `fit(x, y)` and `predict(x)`: a regressor or ranker, or a pipeline that ends in one. It
    should run in one thread with a fixed seed, so that equal rows give an equal file.
    """

    format = "estimator"
    missing: ClassVar[float] = float("nan")
    """What a missing feature is given as; NaN for libraries that know what to do with it."""
    trusted: ClassVar[tuple[str, ...]] = ()
    """Types of one's own that the file may make, as `model.net.Ranker`; for skops files only."""

    def __init__(self, params: pydantic.BaseModel, fitted: Any = None) -> None:
        super().__init__(params)
        self._fitted = fitted

    @abstractmethod
    def estimator(self) -> Any:
        """A new, unfitted estimator for the hyper-parameters `self.params`."""

    @property
    def fitted(self) -> Any:
        """The fitted estimator. Raises RuntimeError before `fit` or `load`."""
        if self._fitted is None:
            message = "the model has not been fitted or loaded"
            raise RuntimeError(message)
        return self._fitted

    def fit(self, features: pl.DataFrame, target: pl.Series, dates: pl.Series) -> None:  # noqa: ARG002 - for subclasses
        """Fit a new estimator; `dates` are not used: every row weighs the same."""
        self._fitted = self.estimator().fit(matrix(features, self.missing), target.to_numpy())

    def predict(self, features: pl.DataFrame) -> np.ndarray:
        """What the estimator predicts, shape (n,)."""
        return np.asarray(self.fitted.predict(matrix(features, self.missing)))

    def save(self, folder: Path) -> None:
        """Write the estimator as `optaic.mlops.model_files` says; raises ModelFormatUnknown."""
        model_files.save(self.fitted, folder, NAME)

    @classmethod
    def load(cls, folder: Path, params: pydantic.BaseModel) -> Self:
        """Read it; raises ModelUnsafe, ModelTypeUntrusted, ModelFormatUnknown."""
        model = cls(params)
        (path,) = sorted(folder.glob(f"{NAME}.*"))
        if path.suffix == ".ubj" and hasattr(empty := model.estimator(), "load_model"):
            empty.load_model(path)
            return cls(params, empty)
        return cls(params, model_files.load(path, trusted=cls.trusted))
