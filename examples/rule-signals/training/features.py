"""The figures that the rules follow, each as the rank among the entities of its date, higher is better."""

import polars as pl
from optaic.mlops.base import Frames
from optaic.mlops.bases import RankedFeatures

RULES = ("momentum", "reversal", "low_volatility")


class Features(RankedFeatures):
    """Return from 252 to 21 sessions ago; the last five sessions' return and 63 sessions' volatility, negated."""

    warm_up = 253

    def raw(self, frames: Frames) -> pl.DataFrame:
        """entity, date and the three figures, null until an entity has enough history."""
        close = pl.col("close")

        def ago(sessions: int) -> pl.Expr:
            return close.shift(sessions).over("entity")

        moves = close / ago(1) - 1
        return (
            frames["prices"]
            .sort("entity", "date")
            .select(
                "entity",
                "date",
                (ago(21) / ago(252) - 1).alias("momentum"),
                (1 - close / ago(5)).alias("reversal"),
                (-moves.rolling_std(63).over("entity")).alias("low_volatility"),
            )
        )
