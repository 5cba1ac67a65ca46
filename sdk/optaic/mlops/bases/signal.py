"""Signals: features and scores as ranks within a date, the return beyond the date's mean as target."""

from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np
import polars as pl

from optaic.mlops.base import BaseEvaluator, BaseFeatures, BasePredictor, BaseTarget, Evaluation, Frames
from optaic.mlops.measures.performance import signal

DIGITS = 12
"""Figures are rounded before they are ranked: the last bits of a float must not decide a rank."""
SIGNAL_FIGURES = ("rank_ic", "rank_ic_t", "hit", "top_bottom_bps", "dates")


def percentile(values: pl.Expr) -> pl.Expr:
    """Average rank over the number of values of the date, in (0, 1]; NaN counts as missing."""
    known = values.fill_nan(None).round(DIGITS)
    return (known.rank("average") / known.count()).over("date")


def signed_rank(values: pl.Expr) -> pl.Expr:
    """The rank within the date mapped to [-1, 1]: lowest -1, highest 1; a lone entity has 0, a missing value
    none.
    """
    known = values.fill_nan(None)
    place = known.rank("average").over("date") - 1
    others = known.count().over("date").cast(pl.Float64) - 1
    spread = pl.when(others > 0).then(2 * place / others - 1).otherwise(0.0)
    return pl.when(known.is_not_null()).then(spread).otherwise(None).cast(pl.Float64)


class RankedFeatures(BaseFeatures):
    """Features that are ranked within each date; a subclass says what the raw figures are."""

    @abstractmethod
    def raw(self, frames: Frames) -> pl.DataFrame:
        """entity, date and one column a feature: causal, of any scale; NaN and null mean missing."""

    def compute(self, frames: Frames) -> pl.DataFrame:
        """entity, date and the features in (0, 1]."""
        rows = self.raw(frames)
        names = [name for name in rows.columns if name not in ("entity", "date")]
        ranked = [percentile(pl.col(name).cast(pl.Float64)).alias(name) for name in names]
        return rows.select("entity", "date", *ranked).sort("date", "entity")


class RelativeReturn(BaseTarget):
    """The return of the next `horizon` sessions minus the mean over the entities of the date.

    Returns of one as-of frame only: both prices are of the same knowledge.
    """

    role: ClassVar[str] = "prices"
    column: ClassVar[str] = "close"
    fit_on: ClassVar[Literal["rank", "value"]] = "rank"
    """What the model fits: the percentile of the outcome within its date, or the outcome itself."""

    def compute(self, frames: Frames, horizon: int) -> pl.DataFrame:
        """entity, date, target, outcome (a fraction); the last `horizon` sessions have none."""
        prices = frames[self.role].sort("entity", "date")
        ahead = pl.col(self.column).shift(-horizon).over("entity") / pl.col(self.column) - 1
        known = prices.select("entity", "date", ahead.alias("ahead")).drop_nulls("ahead")
        rows = known.with_columns((pl.col("ahead") - pl.col("ahead").mean().over("date")).alias("outcome"))
        target = percentile(pl.col("outcome")) if self.fit_on == "rank" else pl.col("outcome")
        return rows.select("entity", "date", target.alias("target"), "outcome").sort("date", "entity")


class RankPredictor(BasePredictor):
    """`signal`: the rank of the raw score within its date, mapped to [-1, 1]; equal scores share a place."""

    columns: ClassVar = {"signal": "float64"}

    def rows(self, keys: pl.DataFrame, raw: np.ndarray) -> pl.DataFrame:
        """date, entity, signal. Raises ValueError for a score that is not finite."""
        scores = finite(raw, keys.height)
        rows = keys.select("date", "entity").with_columns(pl.Series("raw", scores))
        return rows.select("date", "entity", signed_rank(pl.col("raw")).alias("signal"))


class SignalEvaluator(BaseEvaluator):
    """rank_ic, rank_ic_t, hit, top_bottom_bps and dates, as `optaic.mlops.measures.performance.signal`."""

    def evaluate(self, evaluation: Evaluation) -> dict[str, float]:
        """Each date weighs the same; all 0 where no date can be judged."""
        return dict.fromkeys(SIGNAL_FIGURES, 0.0) | signal(evaluation.frame)


def finite(raw: np.ndarray, rows: int) -> np.ndarray:
    """The raw scores as float64, one a row; raises ValueError where they are not."""
    scores = np.asarray(raw, dtype=np.float64)
    if scores.shape != (rows,):
        message = f"one score a row is needed: {rows} rows, scores of shape {scores.shape}"
        raise ValueError(message)
    if not np.isfinite(scores).all():
        message = f"{int((~np.isfinite(scores)).sum())} of {rows} scores are not finite"
        raise ValueError(message)
    return scores
