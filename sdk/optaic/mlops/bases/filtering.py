"""Filtering signals: a ranker keeps the best of each date and hands them on as they were.

The pipelines give a filter's predictor the features beside the keys, one of which is the signal itself. The
instance has `feature_lag = 0`: a filter chooses among what its input holds at the decision; features of
other data lag themselves.
"""

from typing import Any, ClassVar

import numpy as np
import polars as pl

from optaic.mlops.base import BaseEvaluator, BasePredictor, Evaluation, Frames
from optaic.mlops.bases.signal import RelativeReturn, finite, percentile
from optaic.mlops.measures.performance import filtered


class FilterPredictor(BasePredictor):
    """Keeps the `keep` highest scores of each date, all where there are fewer; of equal scores the first
    entity.

    `column`: the feature that is the signal; it comes out unchanged. `class Predictor(FilterPredictor,
    keep=10)`.
    """

    keep: ClassVar[int] = 10
    column: ClassVar[str] = "signal"
    columns: ClassVar = {"signal": "float64"}

    def __init_subclass__(cls, keep: int | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.keep = cls.keep if keep is None else keep

    def rows(self, keys: pl.DataFrame, raw: np.ndarray) -> pl.DataFrame:
        """date, entity, signal: a subset of the keys whose signal is there."""
        scored = keys.with_columns(pl.Series("_score", finite(raw, keys.height)))
        offered = scored.filter(pl.col(self.column).is_finite())
        best = offered.sort("date", "_score", "entity", descending=[False, True, False])
        kept = best.group_by("date", maintain_order=True).head(self.keep)
        return kept.select("date", "entity", pl.col(self.column).alias("signal")).sort("date", "entity")


class Payoff(RelativeReturn):
    """What it paid to follow the signals of one role: their sign times the relative return, which stays the
    outcome; the model fits its percentile within the date.

    Without that role, as where stored predictions are judged, target and outcome are the relative return.
    """

    signals: ClassVar[str] = "signals"

    def compute(self, frames: Frames, horizon: int) -> pl.DataFrame:
        """entity, date, target, outcome (a fraction); only where there is a signal."""
        moved = super().compute(frames, horizon)
        if self.signals not in frames:
            return moved
        given = frames[self.signals].select("entity", "date", "signal")
        paid = moved.join(given, on=["entity", "date"], how="inner").with_columns(
            (pl.col("signal").sign() * pl.col("outcome")).alias("paid")
        )
        target = percentile(pl.col("paid"))
        return paid.select("entity", "date", target.alias("target"), "outcome").sort("date", "entity")


class FilterEvaluator(BaseEvaluator):
    """kept_bps, rejected_bps, gain_bps (kept minus rejected) and the signal's figures of what was kept.

    A payoff is sign(signal) times outcome. `Evaluation.rejected` holds what was left out, where it is known.
    """

    def evaluate(self, evaluation: Evaluation) -> dict[str, float]:
        """Left out: what the rows do not allow."""
        return filtered(evaluation.frame, "signal", evaluation.rejected)
