"""Inference: what a model says at each decision, from what was known at that moment."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from optaic.mlops.pipelines.artifact import read_index, read_model
from optaic.mlops.pipelines.features import feature_rows
from optaic.mlops.pipelines.grid import Grid, make_grid
from optaic.mlops.pipelines.knowledge import Inputs, Reader
from optaic.mlops.pipelines.output import predict_rows
from optaic.mlops.pipelines.stacking import only_current, refuse_in_sample
from optaic.mlops.point_in_time import MOMENT
from optaic.mlops.runner.components import Components
from optaic.mlops.runner.connection import RunRefused
from optaic.mlops.runner.description import Model, RunDescription
from optaic.mlops.runner.rows import write_rows


class Connection(Reader, Protocol):
    """What an inference asks of its executor."""

    def progress(self, fraction: float, message: str) -> None:
        """Say how far the run is."""
        ...

    def stage_output(self, path: Path, decisions: Sequence[date] | None = None) -> None:
        """Hand in the predictions, and the dates that they have to be about."""
        ...

    def complete(self, metrics: Mapping[str, float], facts: Mapping[str, Any]) -> None:
        """Hand over the results."""
        ...


def infer(description: RunDescription, components: Components, connection: Connection) -> None:
    """Do an inference run: one file of predictions, each known at its decision time (R6)."""
    model = _pinned_model(description)
    folder = Path(model.folder)
    index = read_index(folder)
    inputs = Inputs(connection, description)
    connection.progress(0.0, "reading inputs")
    grid = make_grid(description, inputs, connection, components.trainer())
    decisions = _decisions(description, grid, model)
    refuse_in_sample(inputs, grid)
    config = description.config.model_copy(update={"feature_cols": index.features})
    connection.progress(0.3, "computing features")
    features = feature_rows(components.features(), inputs, grid, decisions, config, vintage=True)
    connection.progress(0.7, "predicting")
    predictor = components.predictor()
    fitted = read_model(folder, components.model, index)
    current = only_current(features.frame, description)
    output = predict_rows(fitted, predictor, current, index.features, description.category)
    path = Path("predictions.arrow")
    write_rows(_with_origin(output, decisions, model), path)
    connection.stage_output(path.resolve(), decisions["date"].to_list())
    connection.progress(1.0, "done")
    facts = {
        "decisions": decisions.height,
        "decisions_without_rows": decisions.height - output["date"].n_unique(),
        "rows": output.height,
        "knowledge_epochs": features.epochs,
    }
    connection.complete({}, facts)


def _pinned_model(description: RunDescription) -> Model:
    if description.model is None:
        raise RunRefused("instance.no_active_version", "the run has no model version")
    return description.model


def _decisions(description: RunDescription, grid: Grid, model: Model) -> pl.DataFrame:
    """Those of the range, or the newest at the run's `as_of`; raises where the model was trained after
    one.
    """
    asked = description.decisions
    chosen = grid.decisions.tail(1)
    if asked is not None:
        chosen = grid.decisions.filter(pl.col("date").is_between(asked.first, asked.last))
    if chosen.is_empty():
        raise RunRefused(
            "run.decisions_invalid", "the definition decides on no session of the range known by now"
        )
    early = chosen.filter(pl.col("moment") < model.trained_as_of)
    if not early.is_empty():
        raise RunRefused(
            "pit.model_from_future",
            f"trained as of {model.trained_as_of.isoformat()}, decision of {early['date'][0]}",
        )
    return chosen


def _with_origin(output: pl.DataFrame, decisions: pl.DataFrame, model: Model) -> pl.DataFrame:
    """Add when each row was known, and which model made it from which knowledge."""
    known = decisions.rename({"moment": "knowledge_date"})
    columns = [name for name in output.columns if name not in ("date", "entity")]
    return (
        output.join(known, on="date")
        .with_columns(
            pl.lit(model.trained_as_of).cast(MOMENT).alias("trained_as_of"),
            pl.lit(model.number, dtype=pl.Int64).alias("model_version"),
        )
        .select("entity", "date", "knowledge_date", *columns, "trained_as_of", "model_version")
        .sort("date", "entity")
    )
