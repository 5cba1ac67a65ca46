"""The four signals as they were predicted, each a feature."""

import polars as pl
from optaic.mlops.base import BaseFeatures, Frames

RULES = ("momentum", "reversal", "low_volatility")


class Features(BaseFeatures):
    """The learned signal and the three rules of the same date and entity; a signal that is missing is null."""

    def compute(self, frames: Frames) -> pl.DataFrame:
        """entity, date, learned, momentum, reversal, low_volatility."""
        learned = frames["learned"].select("entity", "date", pl.col("signal").alias("learned"))
        rules = frames["rules"].select("entity", "date", *RULES)
        return learned.join(rules, on=["entity", "date"], how="left").sort("date", "entity")
