"""Predictions as inputs of another model: only those of models that had not seen their date (L5)."""

import polars as pl

from optaic.mlops.pipelines.grid import Grid
from optaic.mlops.pipelines.knowledge import Inputs
from optaic.mlops.pipelines.output import FILTERING
from optaic.mlops.runner.connection import RunRefused
from optaic.mlops.runner.description import RunDescription

ORIGIN = "trained_as_of"
"""The column that makes a dataset one of predictions."""


def refuse_in_sample(inputs: Inputs, grid: Grid) -> None:
    """Raises `pit.train_after_predict` where an input holds a prediction of a model trained after its
    decision: after the row was known, or after the decision of its date. A row that does not say when its
    model was trained counts as one.
    """
    for role in inputs.feature_roles:
        rows = inputs.history(role).revisions
        if ORIGIN in rows.columns:
            _refuse(role, rows.filter(pl.col("op") == "U"), grid)


def _refuse(role: str, rows: pl.DataFrame, grid: Grid) -> None:
    trained, decision = pl.col(ORIGIN), pl.min_horizontal("knowledge_date", "moment")
    if getattr(rows.schema[ORIGIN], "time_zone", None) is None:  # it names no moment
        trained = pl.lit(None, pl.Datetime("us", "UTC"))
    decided = rows.join(grid.decisions, on="date", how="left")
    seen = decided.filter(~(trained <= decision).fill_null(value=False)).sort("date", "entity")
    if seen.is_empty():
        return
    first = seen.row(0, named=True)
    raise RunRefused(
        "pit.train_after_predict",
        f"{seen.height} of {rows.height} rows of {role} are predictions of models that had seen their date, "
        f"the first of {first['date']}: trained as of {first[ORIGIN]}",
    )


def only_current(frame: pl.DataFrame, description: RunDescription) -> pl.DataFrame:
    """Rows of features that a category may choose from: a filter hands on what its input holds at the
    decision itself, never an older row; the other categories take what `max_age` allows.
    """
    if description.category != FILTERING:
        return frame
    if description.config.feature_lag != 0:
        raise RunRefused(
            "run.features_malformed", "a filter hands on the values of its decision: it needs feature_lag 0"
        )
    return frame.filter(pl.col("feature_date") == pl.col("date"))
