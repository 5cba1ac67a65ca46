"""The signal as it is, beside eleven price features that were known a session before."""

import polars as pl
from optaic.mlops.base import BaseFeatures, Frames

from training.price_features import FEATURES
from training.price_features import Features as PriceFeatures

LAG = 1
"""Sessions. The instance lags nothing: a filter hands on the values of its decision."""


class Features(BaseFeatures):
    """The signal of the decision and, lagged by themselves, the features of `xgb-signal`."""

    warm_up = PriceFeatures.warm_up + LAG

    def compute(self, frames: Frames) -> pl.DataFrame:
        """entity, date, signal and the eleven `FEATURES`; only where there is a signal."""
        ranked = PriceFeatures().compute(frames).sort("entity", "date")
        lagged = ranked.with_columns(pl.col(FEATURES).shift(LAG).over("entity"))
        signals = frames["signals"].select("entity", "date", "signal")
        return signals.join(lagged, on=["entity", "date"], how="left").sort("date", "entity")
