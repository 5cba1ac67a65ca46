"""Two measures of relevance: mutual information, and the mean size of SHAP values of boosted trees."""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import polars as pl
import pydantic
import xgboost
from optaic.mlops.base import Params
from optaic.mlops.bases import RelevanceModel, matrix
from sklearn.feature_selection import mutual_info_regression

ROUNDS, DEPTH, RATE = 150, 3, 0.05


class RelevanceParams(Params):
    """Hyper-parameters. A fixed seed and one thread, so that equal rows give equal scores."""

    measure: Literal["mutual_information", "shap"] = pydantic.Field(
        default="mutual_information", description="How a feature is scored."
    )
    neighbours: int = pydantic.Field(default=5, ge=1, le=50, description="Of mutual information.")
    seed: int = pydantic.Field(default=0, ge=0, description="Seed of the small noise, or of the trees.")


class Relevance(RelevanceModel):
    """One score a feature; a missing feature counts as the middle of its date."""

    Params = RelevanceParams

    def scores(self, features: pl.DataFrame, target: np.ndarray) -> np.ndarray:
        """In nats (mutual information) or in units of the target (SHAP), shape (k,)."""
        params = RelevanceParams.model_validate(self.params.model_dump())
        return MEASURES[params.measure](matrix(features, missing=0.5), target, params)


def _mutual_information(rows: np.ndarray, target: np.ndarray, params: RelevanceParams) -> np.ndarray:
    found = mutual_info_regression(
        rows, target, n_neighbors=params.neighbours, random_state=params.seed, n_jobs=1
    )
    return np.maximum(found, 0.0)


def _shap(rows: np.ndarray, target: np.ndarray, params: RelevanceParams) -> np.ndarray:
    settings = {
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "max_depth": DEPTH,
        "learning_rate": RATE,
        "seed": params.seed,
        "nthread": 1,
    }
    training = xgboost.DMatrix(rows.astype(np.float32), label=target, nthread=1)
    booster = xgboost.train(settings, training, num_boost_round=ROUNDS)
    shares = booster.predict(training, pred_contribs=True)[:, :-1]
    return np.abs(shares).mean(axis=0, dtype=np.float64)


MEASURES: Mapping[str, Callable[[np.ndarray, np.ndarray, RelevanceParams], np.ndarray]] = {
    "mutual_information": _mutual_information,
    "shap": _shap,
}
