"""The eleven price features of `xgb-signal`, and noise that must score nothing."""

import numpy as np
import polars as pl
from optaic.mlops.base import BaseFeatures, Frames

from training.price_features import FEATURES
from training.price_features import Features as PriceFeatures

NOISE_SEED = 0


class Features(BaseFeatures):
    """Ranks within the date. The noise is drawn date by date, so a later row never changes an earlier one."""

    warm_up = PriceFeatures.warm_up

    def compute(self, frames: Frames) -> pl.DataFrame:
        """entity, date, the eleven `FEATURES` in (0, 1] and `noise` in [0, 1)."""
        ranked = PriceFeatures().compute(frames).sort("date", "entity").select("entity", "date", *FEATURES)
        drawn = np.random.default_rng(NOISE_SEED).random(ranked.height)
        return ranked.with_columns(pl.Series("noise", drawn))
