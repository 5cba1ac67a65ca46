"""Metrics of a cross-sectional signal, each date weighing the same."""

import math

import polars as pl
from optaic.mlops.base import BaseEvaluator, Evaluation

TAIL = 5
"""Best and worst entities of a date: one in `TAIL` goes into each."""


class Evaluator(BaseEvaluator):
    """Rank correlation with the outcome, its t, the share of right signs, and best minus worst."""

    def evaluate(self, evaluation: Evaluation) -> dict[str, float]:
        """rank_ic, rank_ic_t, hit, top_bottom_bps (per horizon), dates; all 0 without a usable date."""
        dates = _per_date(evaluation.frame.drop_nulls(["signal", "outcome"]))
        ic = dates["ic"].drop_nans().drop_nulls()
        return {
            "rank_ic": _mean(ic),
            "rank_ic_t": _t(ic),
            "hit": _mean(dates["hit"]),
            "top_bottom_bps": _mean(dates["spread"]) * 10_000,
            "dates": float(dates.height),
        }


def _per_date(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a date with two entities or more: ic (Spearman), hit, spread (fraction)."""
    tail = (pl.len() // TAIL).clip(lower_bound=1)
    ranked = pl.col("outcome").sort_by("signal")
    return (
        rows.sort("date", "entity")
        .group_by("date", maintain_order=True)
        .agg(
            pl.corr("signal", "outcome", method="spearman").alias("ic"),
            (pl.col("signal").sign() == pl.col("outcome").sign()).mean().alias("hit"),
            (ranked.tail(tail).mean() - ranked.head(tail).mean()).alias("spread"),
            pl.len().alias("entities"),
        )
        .filter(pl.col("entities") >= 2)
    )


def _mean(values: pl.Series) -> float:
    return float(values.mean() or 0.0) if values.len() else 0.0


def _t(values: pl.Series) -> float:
    spread = values.std()
    if values.len() < 2 or not spread:
        return 0.0
    return _mean(values) / float(spread) * math.sqrt(values.len())
