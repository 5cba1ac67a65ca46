"""Eleven price features, each as the percentile rank among the entities of its date.

Every raw figure is a ratio of prices of one entity, so a restated price level (a split) changes nothing, and every
window looks back only.
"""

import polars as pl
from optaic.mlops.base import BaseFeatures, Frames

FEATURES = (
    "momentum_5",
    "momentum_21",
    "momentum_63",
    "momentum_252",
    "momentum_12_1",
    "volatility_21",
    "volatility_63",
    "beta_63",
    "drawdown_252",
    "relative_5",
    "up_share_14",
)
DIGITS = 12
"""Raw figures are rounded before they are ranked: the last bits of a float must not decide a rank."""


class Features(BaseFeatures):
    """Momentum, volatility, beta, drawdown, relative return and the share of up moves."""

    warm_up = 253

    def compute(self, frames: Frames) -> pl.DataFrame:
        """entity, date and the eleven `FEATURES` in (0, 1], null until an entity has enough history."""
        raw = _raw(_returns(frames["prices"], frames["index"]))
        ranked = [_percentile(pl.col(name)).alias(name) for name in FEATURES]
        return raw.select("entity", "date", *ranked).sort("date", "entity")


def _returns(prices: pl.DataFrame, index: pl.DataFrame) -> pl.DataFrame:
    """Closes and one-session returns of each entity beside those of the index, in (entity, date) order."""
    market = index.sort("date").select(
        "date",
        pl.col("close").pct_change().alias("m"),
        pl.col("close").pct_change(5).alias("m5"),
    )
    rows = prices.sort("entity", "date").select("entity", "date", "close")
    return rows.join(market, on="date", how="left", maintain_order="left").with_columns(
        _change("close", 1).alias("r"),
    )


def _raw(rows: pl.DataFrame) -> pl.DataFrame:
    """The figures before ranking; a date of the index that is missing makes beta and relative return null."""
    return rows.with_columns(_beta(63).alias("beta_63")).select(
        "entity",
        "date",
        "beta_63",
        *(_change("close", n).alias(f"momentum_{n}") for n in (5, 21, 63, 252)),
        (_past("close", 21) / _past("close", 252) - 1).alias("momentum_12_1"),
        *(pl.col("r").rolling_std(n).over("entity").alias(f"volatility_{n}") for n in (21, 63)),
        (pl.col("close") / pl.col("close").rolling_max(252).over("entity") - 1).alias("drawdown_252"),
        (_change("close", 5) - pl.col("beta_63") * pl.col("m5")).alias("relative_5"),
        _up_share(14).alias("up_share_14"),
    )


def _past(column: str, sessions: int) -> pl.Expr:
    return pl.col(column).shift(sessions).over("entity")


def _change(column: str, sessions: int) -> pl.Expr:
    return pl.col(column) / _past(column, sessions) - 1


def _beta(sessions: int) -> pl.Expr:
    """Slope of the entity's returns on the index's: covariance over variance of one window."""

    def mean(values: pl.Expr) -> pl.Expr:
        return values.rolling_mean(sessions).over("entity")

    r, m = pl.col("r"), pl.when(pl.col("r").is_not_null()).then(pl.col("m"))
    return (mean(r * m) - mean(r) * mean(m)) / (mean(m * m) - mean(m) ** 2)


def _up_share(sessions: int) -> pl.Expr:
    """Gains over all moves: orders entities as the ratio of gains to losses does, but is finite; 0.5 if flat."""
    gains = pl.col("r").clip(lower_bound=0).rolling_sum(sessions).over("entity")
    moves = pl.col("r").abs().rolling_sum(sessions).over("entity")
    return pl.when(moves.round(DIGITS) == 0).then(0.5).otherwise(gains / moves)


def _percentile(raw: pl.Expr) -> pl.Expr:
    """Average rank over the number of values of the date; NaN counts as missing."""
    value = raw.fill_nan(None).round(DIGITS)
    return (value.rank("average") / value.count()).over("date")
