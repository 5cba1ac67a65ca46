"""Relevance: a score a feature, finite and not negative; a row's entity is the feature's name.

The pipelines turn the model's output, one column a feature, into one row a date and feature. The outcome of
such a row is the rank correlation of the feature with what came, over the entities of its date.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import polars as pl

from optaic.mlops.base import BaseEvaluator, BasePredictor, Evaluation
from optaic.mlops.bases.models import JsonModel
from optaic.mlops.bases.signal import finite
from optaic.mlops.measures.performance import relevance

_HALVES = 2


class RelevanceModel(JsonModel):
    """One score a feature, the same on every date until the next fit."""

    @abstractmethod
    def scores(self, features: pl.DataFrame, target: np.ndarray) -> np.ndarray:
        """A score for each feature, shape (k,). `features`: float columns; missing is null."""

    def learn(
        self,
        features: pl.DataFrame,
        target: pl.Series,
        dates: pl.Series,  # noqa: ARG002  # every row weighs the same
    ) -> Mapping[str, Any]:
        """The scores by the feature's name."""
        found = finite(self.scores(features, target.to_numpy()), features.width)
        return {"scores": dict(zip(features.columns, found.tolist(), strict=True))}

    def predict(self, features: pl.DataFrame) -> np.ndarray:
        """The scores, one row a row of features and one column a feature: shape (n, k)."""
        scores = [self.state["scores"][name] for name in features.columns]
        return np.tile(np.array(scores, dtype=np.float64), (features.height, 1))


class RankCorrelationRelevance(RelevanceModel):
    """The absolute rank correlation of each feature with the target, over the rows that have both."""

    def scores(self, features: pl.DataFrame, target: np.ndarray) -> np.ndarray:
        """In [0, 1]; 0 for a feature that is constant or missing."""
        rows = features.with_columns(pl.Series("_target", target, dtype=pl.Float64))
        return np.array([_correlation(rows, name) for name in features.columns])


class RelevancePredictor(BasePredictor):
    """`score`, and `rank` within the date from 1 for the highest; equal scores are ranked by name."""

    columns: ClassVar = {"score": "float64", "rank": "int64"}

    def rows(self, keys: pl.DataFrame, raw: np.ndarray) -> pl.DataFrame:
        """date, entity (the feature), score, rank. Raises ValueError for a negative or infinite score."""
        scores = finite(raw, keys.height)
        if (scores < 0).any():
            message = f"{int((scores < 0).sum())} of {keys.height} scores are negative"
            raise ValueError(message)
        rows = keys.select("date", "entity").with_columns(pl.Series("score", scores))
        place = pl.struct(-pl.col("score"), pl.col("entity")).rank("ordinal").over("date")
        return rows.with_columns(place.cast(pl.Int64).alias("rank"))


class RelevanceEvaluator(BaseEvaluator):
    """Are the scores the same story over time, and do features that scored high matter afterwards?

    rank_stability: from date to date; half_stability: rank correlation of the mean scores of the first and
    the second half of the dates; agreement: rank correlation of the mean scores with the absolute mean
    outcome.
    """

    def evaluate(self, evaluation: Evaluation) -> dict[str, float]:
        """Left out: figures that need more dates or features."""
        rows = evaluation.frame
        figures = relevance(rows, "score")
        pairs = {"half_stability": _halves(rows), "agreement": _agreement(rows)}
        found = {name: _spearman(pair) for name, pair in pairs.items() if pair.height >= _HALVES}
        return figures | {name: value for name, value in found.items() if value is not None}


def _halves(rows: pl.DataFrame) -> pl.DataFrame:
    """entity, a, b: the mean scores of the two halves of the dates."""
    days = rows["date"].unique().sort()
    first = pl.col("date").is_in(days.head(days.len() // _HALVES).implode())
    each = rows.group_by("entity").agg(
        pl.col("score").filter(first).mean().alias("a"), pl.col("score").filter(~first).mean().alias("b")
    )
    return each.drop_nulls()


def _agreement(rows: pl.DataFrame) -> pl.DataFrame:
    """entity, a, b: mean score and size of the mean outcome."""
    known = rows.drop_nulls(["score", "outcome"])
    return known.group_by("entity").agg(
        pl.col("score").mean().alias("a"), pl.col("outcome").mean().abs().alias("b")
    )


def _spearman(pair: pl.DataFrame) -> float | None:
    value = pair.sort("entity").select(pl.corr("a", "b", method="spearman")).item()
    return float(value) if value is not None and np.isfinite(value) else None


def _correlation(rows: pl.DataFrame, name: str) -> float:
    known = rows.select(a=pl.col(name).cast(pl.Float64).fill_nan(None), b="_target").drop_nulls()
    value = known.select(pl.corr("a", "b", method="spearman")).item() if known.height > 1 else None
    return abs(float(value)) if value is not None and np.isfinite(value) else 0.0
