"""Growth and the change of unemployment, quarter on quarter."""

import polars as pl
from optaic.mlops.base import BaseFeatures, Frames

FEATURES = ("gdp_growth", "unemployment_change")
ANNUALISED = 400
"""Log change of one quarter → % a year."""


class Features(BaseFeatures):
    """Two figures of each quarter, from that quarter and the one before it."""

    warm_up = 2

    def compute(self, frames: Frames) -> pl.DataFrame:
        """entity, date, gdp_growth (% a year), unemployment_change (percentage points); the first row is null."""
        growth = ANNUALISED * pl.col("realgdp").log().diff()
        return (
            frames["macro"]
            .sort("date")
            .select(
                "entity",
                "date",
                growth.alias("gdp_growth"),
                pl.col("unemp").diff().alias("unemployment_change"),
            )
        )
