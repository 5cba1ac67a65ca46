"""From fitted model to the category's output: which rows come out, under which keys, judged by what.

Most categories give one row per row of features. A *filter* gives some of them, and sees the values that it
hands on. A *relevance* gives one row per feature and decision date: its entity is the feature's name.
"""

import numpy as np
import polars as pl

from optaic.mlops.base import BaseModel, BasePredictor
from optaic.mlops.runner.connection import RunRefused

RELEVANCE, FILTERING = "relevance", "signal_filtering"
KEY = ("date", "entity")
ENTITIES_MIN = 3
"""Two entities always correlate fully, so a date with fewer than three says nothing of a feature."""


def predict_rows(
    model: BaseModel,
    predictor: BasePredictor,
    rows: pl.DataFrame,
    features: tuple[str, ...],
    category: str = "signal",
) -> pl.DataFrame:
    """The category's output for rows of features: date, entity and exactly the predictor's columns."""
    raw = model.predict(rows.select(features))
    if category == RELEVANCE:
        keys, raw = _by_feature(rows["date"], raw, features)
    elif category == FILTERING:
        keys = rows.select(*KEY, *features)
    else:
        keys = rows.select(KEY)
    output = predictor.rows(keys, raw)
    wanted = [*KEY, *predictor.columns]
    missing = [name for name in wanted if name not in output.columns]
    enough = output.height <= keys.height if category == FILTERING else output.height == keys.height
    if missing or not enough:
        detail = f"no column {missing[0]!r}" if missing else f"{output.height} rows for {keys.height} keys"
        raise RunRefused("run.output_malformed", f"the predictor gave {detail}")
    return output.select(wanted)


def outcome_rows(rows: pl.DataFrame, features: tuple[str, ...], category: str) -> pl.DataFrame:
    """date, entity, outcome: what predictions on these rows are judged by.

    A relevance is judged by how its feature ranked with what came: the Spearman correlation over the
    entities of the date, signed, so that its mean over many dates cancels what was chance.
    """
    if category != RELEVANCE:
        return rows.select(*KEY, "outcome")
    long = rows.select("date", "outcome", *features).unpivot(
        index=["date", "outcome"], variable_name="entity"
    )
    return (
        long.drop_nulls()
        .group_by("date", "entity")
        .agg(pl.corr("value", "outcome", method="spearman").fill_nan(None).alias("outcome"), pl.len())
        .filter(pl.col("len") >= ENTITIES_MIN)
        .select(*KEY, "outcome")
        .sort(KEY)
    )


def _by_feature(
    dates: pl.Series, raw: np.ndarray, features: tuple[str, ...]
) -> tuple[pl.DataFrame, np.ndarray]:
    """Keys (date, feature) in their order, and the mean of each feature's raw output over its date."""
    if raw.shape != (dates.len(), len(features)):
        raise RunRefused(
            "run.output_malformed",
            f"a relevance model gives a column per feature, not the shape {raw.shape} for {len(features)}",
        )
    wide = pl.DataFrame(raw, schema=list(features)).with_columns(dates.alias("date"))
    means = wide.unpivot(index="date", variable_name="entity").group_by(KEY).agg(pl.col("value").mean())
    ordered = means.sort(KEY)
    return ordered.select(KEY), ordered["value"].to_numpy()
