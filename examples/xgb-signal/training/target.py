"""The target: an entity's return over the next sessions beyond the mean of its date."""

import polars as pl
from optaic.mlops.base import BaseTarget, Frames


class Target(BaseTarget):
    """Forward return minus the mean over all entities of the date; the model fits its percentile rank."""

    def compute(self, frames: Frames, horizon: int) -> pl.DataFrame:
        """entity, date, target in (0, 1], outcome as a fraction; the last `horizon` sessions have none."""
        prices = frames["prices"].sort("entity", "date")
        ahead = pl.col("close").shift(-horizon).over("entity") / pl.col("close") - 1
        known = prices.select("entity", "date", ahead.alias("ahead")).drop_nulls("ahead")
        outcome = pl.col("ahead") - pl.col("ahead").mean().over("date")
        rank = (pl.col("outcome").rank("average") / pl.len()).over("date")
        return (
            known.select("entity", "date", outcome.alias("outcome"))
            .select("entity", "date", rank.alias("target"), "outcome")
            .sort("date", "entity")
        )
