"""The target: the size of the next move, not its sign, of which ranks of prices say next to nothing."""

import polars as pl
from optaic.mlops.base import Frames
from optaic.mlops.bases import RelativeReturn


class Target(RelativeReturn):
    """The absolute return beyond the mean of its date."""

    def compute(self, frames: Frames, horizon: int) -> pl.DataFrame:
        """entity, date, target and outcome, both the size as a fraction."""
        moved = super().compute(frames, horizon)
        size = pl.col("outcome").abs()
        return moved.with_columns(size.alias("target"), size.alias("outcome"))
