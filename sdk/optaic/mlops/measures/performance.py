"""What predictions were worth, by the category of their model, once their outcome is known.

Frames hold date Date, entity str, the output's columns and outcome Float64. Every figure is finite or absent:
a date, a class or a frame that allows no figure gives none.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise

import numpy as np
import polars as pl

TAIL = 5
"""Best and worst entities of a date: one in `TAIL` goes into each."""
CALIBRATION_BINS = 10
LOWER_IS_BETTER = frozenset(
    {"log_loss", "brier", "ece", "error", "loss", "mae", "mse", "rmse", "mape", "absolute_error"}
)
"""Figures of which less is better; of all others more is."""
NOT_JUDGED = frozenset({"turnover", "dates", "rows", "quarters", "entities"})
"""Figures that are neither good nor bad."""
_EPSILON = 1e-12
_PAIR = 2


def performance(
    category: str, rows: pl.DataFrame, columns: Sequence[str], *, rejected: pl.DataFrame | None = None
) -> dict[str, float]:
    """The figures of a category. `columns`: the output's; `rejected`: rows that a filter left out (date,
    entity, signal, outcome).
    """
    present = [name for name in columns if name in rows.columns]
    if rows.is_empty() or not present:
        return {}
    if category == "signal_filtering":
        return filtered(rows, _value(present, "signal"), rejected)
    measure = _BY_CATEGORY.get(category, _signals)
    return measure(rows, present)


def signal(rows: pl.DataFrame, column: str = "signal") -> dict[str, float]:
    """rank_ic (mean over dates of Spearman's correlation with the outcome), rank_ic_t, hit (right signs among
    those given), top_bottom_bps (best minus worst fifth) and dates; dates with two entities or more count.
    A single series is ranked over its dates.
    """
    known = rows.select("date", "entity", value=pl.col(column).cast(pl.Float64), outcome="outcome")
    known = known.filter(pl.col("value").is_finite() & pl.col("outcome").is_finite())
    if known.is_empty():
        return {}
    hits = known.filter((pl.col("value") != 0) & (pl.col("outcome") != 0))
    figures = {"dates": float(known["date"].n_unique())}
    if hits.height:
        figures["hit"] = float((hits["value"].sign() == hits["outcome"].sign()).mean() or 0.0)  # pyright: ignore[reportArgumentType]
    dates = _cross_sections(known)
    if dates.is_empty():
        ic = known.select(pl.corr("value", "outcome", method="spearman")).item()
        return _finite(figures | {"rank_ic": _float(ic)})
    ics = dates["ic"].drop_nulls().drop_nans()
    if ics.len():
        figures["rank_ic"] = _float(ics.mean())
        figures["rank_ic_t"] = _t(ics)
    figures["top_bottom_bps"] = _float(dates["spread"].mean()) * 10_000
    return _finite(figures)


def turnover(rows: pl.DataFrame, column: str = "signal") -> dict[str, float]:
    """Half the change of the weights signal / sum |signal| from date to date, on average: 1 is all anew."""
    held = rows.select("date", "entity", value=pl.col(column).cast(pl.Float64).fill_nan(0).fill_null(0))
    gross = pl.col("value").abs().sum().over("date")
    weights = held.with_columns(
        pl.when(gross > 0).then(pl.col("value") / gross).otherwise(0.0).alias("value")
    )
    days = weights["date"].unique().sort()
    if days.len() < _PAIR:
        return {}
    places = pl.DataFrame({"date": days, "place": range(days.len())}, schema_overrides={"place": pl.Int64})
    placed = weights.join(places, on="date").select("entity", "place", "value")
    before = placed.with_columns(pl.col("place") + 1).filter(pl.col("place") < days.len())
    now = placed.filter(pl.col("place") > 0)
    pair = now.join(before, on=["entity", "place"], how="full", suffix="_before", coalesce=True).fill_null(
        0.0
    )
    moved = float((pair["value"] - pair["value_before"]).abs().sum())
    return _finite({"turnover": moved / 2 / (days.len() - 1)})


def regime(rows: pl.DataFrame, probabilities: Sequence[str]) -> dict[str, float]:
    """log_loss, brier, accuracy, ece (expected calibration error of the likeliest class over ten bins) and,
    with two classes, auc. The outcome is the place of the class among `probabilities`, from 0; a single
    column is the probability of 1.
    """
    known = rows.select(*(pl.col(name).cast(pl.Float64) for name in probabilities), "outcome")
    known = known.filter(pl.all_horizontal(pl.all().is_finite()))
    if known.is_empty() or not probabilities:
        return {}
    shares = known.select(probabilities).to_numpy()
    if shares.shape[1] == 1:
        shares = np.hstack([1 - shares, shares])
    truth = known["outcome"].to_numpy()
    classes = truth.astype(np.int64)
    if (classes != truth).any() or classes.min() < 0 or classes.max() >= shares.shape[1]:
        return {}
    happened = np.eye(shares.shape[1])[classes]
    given = np.clip(shares[np.arange(classes.size), classes], _EPSILON, 1)
    likeliest, right = shares.max(axis=1), shares.argmax(axis=1) == classes
    figures = {
        "log_loss": float(-np.log(given).mean()),
        "brier": float(((shares - happened) ** 2).sum(axis=1).mean()),
        "accuracy": float(right.mean()),
        "ece": _calibration_error(likeliest, right),
        "rows": float(classes.size),
    }
    if shares.shape[1] == _PAIR and 0 < happened[:, 1].sum() < classes.size:
        figures["auc"] = auc(shares[:, 1], classes == 1)
    return _finite(figures)


def relevance(rows: pl.DataFrame, column: str = "score") -> dict[str, float]:
    """rank_stability: Spearman's correlation of the scores of each two dates that follow each other, on
    average; rank_ic with the outcome where there is one.
    """
    scores = rows.select("date", "entity", value=pl.col(column).cast(pl.Float64))
    wide = scores.pivot(on="date", index="entity", values="value", aggregate_function="last").drop("entity")
    days = sorted(wide.columns)
    pairs = [
        wide.select(pl.corr(first, second, method="spearman")).item() for first, second in pairwise(days)
    ]
    stable = [_float(one) for one in pairs if one is not None and math.isfinite(one)]
    figures = {"rank_stability": sum(stable) / len(stable)} if stable else {}
    judged = signal(rows, column) if "outcome" in rows.columns else {}
    return figures | {name: judged[name] for name in ("rank_ic", "dates") if name in judged}


def filtered(
    rows: pl.DataFrame, column: str = "signal", rejected: pl.DataFrame | None = None
) -> dict[str, float]:
    """The signal's figures of what was kept, and in basis points the mean payoff, sign(signal) x outcome, of
    kept_bps, of rejected_bps and what filtering gained: gain_bps.
    """
    figures = signal(rows, column)
    kept = _payoff(rows, column)
    if kept is not None:
        figures["kept_bps"] = kept
    lost = None if rejected is None else _payoff(rejected, "signal")
    if lost is not None:
        figures["rejected_bps"] = lost
        if kept is not None:
            figures["gain_bps"] = kept - lost
    return _finite(figures)


def degradation(
    realised: Mapping[str, float], baseline: Mapping[str, float], lower_is_better: Collection[str] = ()
) -> dict[str, float]:
    """Share lost against the baseline: 0.2 is a fifth worse, negative is better. Figures that are neither
    good nor bad have none, nor has one whose baseline is zero.
    """
    lost: dict[str, float] = {}
    for name, was in baseline.items():
        if name not in realised or name in NOT_JUDGED or was == 0:
            continue
        is_lower_better = name in lower_is_better or name in LOWER_IS_BETTER
        worse = realised[name] - was if is_lower_better else was - realised[name]
        lost[name] = worse / abs(was)
    return _finite(lost)


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Mann and Whitney: the chance that a positive row scores above a negative one, ties counting half."""
    ranks = pl.Series(score).rank("average").to_numpy()
    positives = int(positive.sum())
    negatives = positive.size - positives
    above = float(ranks[positive].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def _signals(rows: pl.DataFrame, columns: Sequence[str]) -> dict[str, float]:
    column = _value(columns, "signal")
    return signal(rows, column) | turnover(rows, column)


def _regimes(rows: pl.DataFrame, columns: Sequence[str]) -> dict[str, float]:
    return regime(rows, [name for name in columns if rows[name].dtype.is_float()])


def _relevances(rows: pl.DataFrame, columns: Sequence[str]) -> dict[str, float]:
    return relevance(rows, _value(columns, "score"))


_BY_CATEGORY: dict[str, Callable[[pl.DataFrame, Sequence[str]], dict[str, float]]] = {
    "signal": _signals,
    "signal_combining": _signals,
    "macro_regime": _regimes,
    "relevance": _relevances,
}


def _value(columns: Sequence[str], usual: str) -> str:
    return usual if usual in columns else columns[0]


def _cross_sections(known: pl.DataFrame) -> pl.DataFrame:
    """One row a date with two entities or more: ic and spread (a fraction)."""
    tail = (pl.len() // TAIL).clip(lower_bound=1)
    ranked = pl.col("outcome").sort_by("value")
    return (
        known.sort("date", "entity")
        .group_by("date", maintain_order=True)
        .agg(
            pl.corr("value", "outcome", method="spearman").alias("ic"),
            (ranked.tail(tail).mean() - ranked.head(tail).mean()).alias("spread"),
            pl.len().alias("entities"),
        )
        .filter(pl.col("entities") >= _PAIR)
    )


def _payoff(rows: pl.DataFrame, column: str) -> float | None:
    payoff = rows.select(one=pl.col(column).cast(pl.Float64).sign() * pl.col("outcome"))["one"]
    known = payoff.filter(payoff.is_finite())
    return _float(known.mean()) * 10_000 if known.len() else None


def _calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    count = np.bincount(bins, minlength=CALIBRATION_BINS)
    gap = np.bincount(bins, confidence - right, minlength=CALIBRATION_BINS)
    return float(np.abs(gap).sum() / count.sum())


def _t(values: pl.Series) -> float:
    spread = values.std()
    if values.len() < _PAIR or not spread:
        return math.nan
    return _float(values.mean()) / _float(spread) * math.sqrt(values.len())


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}
