"""The figures of docs/scenarios.md: what each scenario is expected to measure, and how it is measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal

import numpy as np
import polars as pl

from optaic.mlops.measures.performance import filtered, signal
from tests.examples.chained import (
    CLOSE_2014,
    END,
    RULES,
    labelled,
    later_correlations,
    rank_correlation,
    scored,
)
from tests.examples.walk_forward import Frames, Judged

Kind = Literal["correlation", "rank", "score", "count", "not held"]
SLACK: Mapping[Kind, tuple[float, float]] = {
    "correlation": (0.25, 0.01),
    "rank": (0.0, 0.02),
    "score": (0.0, 0.01),
    "count": (0.0, 0.0),
    "not held": (0.25, 0.01),
}
"""Relative and absolute tolerance, whichever is more."""
SAYS: Mapping[Kind, str] = {
    "correlation": "± 25 % or 0.01",
    "rank": "± 0.02",
    "score": "± 0.01",
    "count": "exact",
    "not held": "none: see below",
}


@dataclass(frozen=True)
class Figure:
    """A line of the table. `not held`: the expected value is shown, and is no limit."""

    name: str
    expected: float
    kind: Kind = "correlation"

    def slack(self, value: float) -> float:
        """How far from a value another one may be."""
        relative, absolute = SLACK[self.kind]
        return max(relative * abs(value), absolute)


FIGURES: Mapping[str, tuple[Figure, ...]] = {
    "1 Signal": (
        Figure("dates judged, 2005 to 2022", 905, "count"),
        Figure("rank IC", 0.0226),
        Figure("t of the rank IC", 2.61),
        Figure("hit rate", 0.509, "score"),
        Figure("top - bottom, bps per 5 sessions", 24.8),
        Figure("LightGBM (version 1.1.0), rank IC", 0.0222),
        Figure("LightGBM, t of the rank IC", 2.46),
        Figure("LightGBM, hit rate", 0.509, "score"),
        Figure("LightGBM, top - bottom, bps per 5 sessions", 21.6, "not held"),
        Figure("12-1 momentum alone, rank IC", 0.029),
        Figure("rows out of bounds when multiplied by 1.2", 3624, "count"),
    ),
    "2 Macro regime": (
        Figure("quarters out of sample", 122, "count"),
        Figure("AUC against the NBER's recessions", 0.965, "rank"),
        Figure("accuracy at one half", 0.869, "rank"),
        Figure("train log-likelihood per row", -2.35, "rank"),
    ),
    "3 Relevance": (
        Figure("volatility 63", 0.062, "score"),
        Figure("volatility 21", 0.062, "score"),
        Figure("drawdown 252", 0.028, "score"),
        Figure("momentum 252", 0.026, "score"),
        Figure("up share 14", 0.006, "score"),
        Figure("noise", 0.0, "score"),
        Figure("mutual information and SHAP", 0.89, "rank"),
        Figure("mutual information and 2015 to 2022", 0.72, "rank"),
        Figure("SHAP and 2015 to 2022", 0.83, "rank"),
        Figure("two random halves of the rows, with the noise", 0.92, "rank"),
    ),
    "4 Signal combining": (
        Figure("dates judged, 2009 to 2022", 703, "count"),
        Figure("rank IC", 0.0187),
        Figure("t of the rank IC", 1.57),
        Figure("top - bottom, bps per 5 sessions", 38.8, "not held"),
        Figure("equal weights, rank IC", 0.0195),
        Figure("input: learned signal", 0.0196),
        Figure("input: momentum", 0.0191),
        Figure("input: reversal", 0.0142),
        Figure("input: low volatility", -0.0079),
        Figure("largest value of weights (2, 2, 1, 1)", 6.0, "score"),
    ),
    "5 Signal filtering": (
        Figure("dates predicted, 2014 to 2022", 453, "count"),
        Figure("rows a date", 10, "count"),
        Figure("kept, bps per 5 sessions", 11.5),
        Figure("rejected, bps per 5 sessions", -2.3, "not held"),
        Figure("hit rate of what was kept", 0.511, "score"),
        Figure("ten largest signals instead, bps", 8.3),
    ),
}


def measured_signal(whole: Judged, second: Judged, rules: Judged) -> list[float]:
    """Scenario 1, in the order of the table. `second`: the definition's second version."""
    alone = rules.predictions.filter(pl.col("date") >= whole.predictions["date"].min())
    momentum = signal(_with_outcome(alone, whole), "momentum")["rank_ic"]
    outside = int((whole.predictions["signal"].abs() * 1.2 > 1).sum())
    names = ("rank_ic", "rank_ic_t", "hit", "top_bottom_bps")
    figures = [one.metrics[name] for one in (whole, second) for name in names]
    return [whole.metrics["dates"], *figures, momentum, outside]


def measured_regime(whole: Judged) -> list[float]:
    """Scenario 2."""
    return [whole.metrics[name] for name in ("quarters", "auc", "accuracy", "train_log_likelihood")]


def measured_relevance(definition: SimpleNamespace, market: Frames) -> list[float]:
    """Scenario 3: scores as of the end of 2014, and how they agree with each other and what came."""
    rows = labelled(definition, market, CLOSE_2014)
    found, shap = scored(definition, rows), scored(definition, rows, measure="shap")
    later = later_correlations(labelled(definition, market, END), list(found))
    half = pl.Series(np.random.default_rng(0).random(rows.height) < 0.5)
    halves = [scored(definition, rows.filter(one)) for one in (half, ~half)]
    shown = ("volatility_63", "volatility_21", "drawdown_252", "momentum_252", "up_share_14", "noise")
    pairs = ((found, shap), (found, later), (shap, later))
    agreements = [rank_correlation(_real(one), _real(other)) for one, other in pairs]
    return [*(found[name] for name in shown), *agreements, rank_correlation(*halves)]


def measured_blend(whole: Judged, learned: Judged, rules: Judged) -> list[float]:
    """Scenario 4."""
    figures = [whole.metrics[name] for name in ("dates", "rank_ic", "rank_ic_t", "top_bottom_bps")]
    keys = _with_outcome(whole.predictions.select("date", "entity"), whole)
    inputs = keys.join(learned.predictions, on=["date", "entity"]).join(
        rules.predictions, on=["date", "entity"]
    )
    each = [signal(inputs, name)["rank_ic"] for name in ("signal", *RULES)]
    weights = dict(zip(("signal", *RULES), (2, 2, 1, 1), strict=True))
    heavy = inputs.select(pl.sum_horizontal(pl.col(name) * one for name, one in weights.items()))
    return [*figures, whole.metrics["equal_weights.rank_ic"], *each, _largest(heavy.to_series())]


def measured_picks(whole: Judged, blend: Judged) -> list[float]:
    """Scenario 5."""
    days = whole.predictions["date"]
    offered = blend.predictions.filter(pl.col("date").is_in(days.implode())).sort("date", "entity")
    size = pl.col("signal").abs().rank("ordinal", descending=True).over("date")
    largest = _with_outcome(offered.filter(size <= 10).select("date", "entity", "signal"), blend)
    figures = [whole.metrics[name] for name in ("kept_bps", "rejected_bps", "hit")]
    return [
        days.n_unique(),
        whole.predictions.height / days.n_unique(),
        *figures,
        filtered(largest)["kept_bps"],
    ]


def _with_outcome(rows: pl.DataFrame, judged: Judged) -> pl.DataFrame:
    return rows.join(judged.rows.select("date", "entity", "outcome"), on=["date", "entity"]).drop_nulls(
        "outcome"
    )


def _real(scores: Mapping[str, float]) -> dict[str, float]:
    """Without the noise, whose place is a tie."""
    return {name: score for name, score in scores.items() if name != "noise"}


def _largest(values: pl.Series) -> float:
    return float(np.abs(values.to_numpy()).max())
