"""Whether a quarter belonged to a recession. The model learns without it; predictions are judged by it."""

import polars as pl
from optaic.mlops.base import BaseTarget, Frames


class Target(BaseTarget):
    """1 in the quarters of a recession, 0 in the others, after the dates that the frame `outcomes` holds."""

    def compute(self, frames: Frames, horizon: int) -> pl.DataFrame:
        """entity, date, target (always 0: nothing is fitted to it), outcome 0 or 1, null without `outcomes`.

        A recession's row has `date`, the last day of its last quarter, and `after`, the last day before it began.
        """
        rows = _keys(frames).with_columns(pl.lit(0.0).alias("target"))
        if "outcomes" not in frames:
            return rows.with_columns(pl.lit(None, pl.Float64).alias("outcome"))
        within = [
            (pl.col("date") > after) & (pl.col("date") <= last)
            for after, last in frames["outcomes"].select("after", "date").iter_rows()
        ]
        inside = pl.any_horizontal(*within) if within else pl.lit(value=False)
        return rows.with_columns(inside.cast(pl.Float64).alias("outcome"))


def _keys(frames: Frames) -> pl.DataFrame:
    """The quarters asked about: those of the figures or, when predictions are judged, those predicted."""
    return frames["macro" if "macro" in frames else "predictions"].select("entity", "date").sort("date")
