"""Training: features and labels as they were known, a walk-forward judgement, and a fit on all that is known
now.
"""

import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pydantic

from optaic.mlops.base import BaseEvaluator, BaseTrainer, Evaluation
from optaic.mlops.measures.profiles import Reference
from optaic.mlops.pipelines.artifact import ModelIndex, write_model
from optaic.mlops.pipelines.features import FeatureRows, feature_rows
from optaic.mlops.pipelines.grid import Grid, make_grid
from optaic.mlops.pipelines.knowledge import Inputs, Reader
from optaic.mlops.pipelines.labels import label_rows, target_of
from optaic.mlops.pipelines.reference import training_reference, write_reference
from optaic.mlops.pipelines.stacking import only_current, refuse_in_sample
from optaic.mlops.pipelines.walk_forward import Fold, Rows, make_model, walk_forward, window_begins
from optaic.mlops.point_in_time import last_trainable
from optaic.mlops.runner.components import Components
from optaic.mlops.runner.connection import RunRefused
from optaic.mlops.runner.description import Config, RunDescription


class Connection(Reader, Protocol):
    """What a training asks of its executor."""

    def log_metrics(self, points: list[tuple[str, int, float]]) -> None:
        """Record (name, step, value) points."""
        ...

    def progress(self, fraction: float, message: str) -> None:
        """Say how far the run is."""
        ...

    def stage_artifact(self, folder: Path, artifact_format: str) -> str:
        """Hand in the model's files."""
        ...

    def complete(self, metrics: Mapping[str, float], facts: Mapping[str, Any]) -> None:
        """Hand over the results."""
        ...


def train(description: RunDescription, components: Components, connection: Connection) -> None:
    """Do a training run: metrics by step, the model file, metrics and facts are handed over."""
    config = description.config
    params = _params(components, config)
    inputs = Inputs(connection, description)
    trainer = components.trainer()
    connection.progress(0.0, "reading inputs")
    grid = make_grid(description, inputs, connection, trainer)
    if grid.decisions.is_empty():
        raise RunRefused(
            "run.nothing_to_train", "the definition decides on no session known by the run's as_of"
        )
    refuse_in_sample(inputs, grid)
    vintage = config.history == "vintage"
    connection.progress(0.1, "computing features")
    features = feature_rows(components.features(), inputs, grid, grid.decisions, config, vintage=vintage)
    connection.progress(0.3, "computing labels")
    target = target_of(components.target, config, grid)
    labels = label_rows(target, inputs, grid, config, vintage=vintage)
    current = only_current(features.frame, description)
    rows = Rows(current.join(labels, on=["date", "entity"]).sort("date", "entity"), features.columns)
    past = rows.where(window_begins(grid.sessions["session"], config.train_window))
    if past.frame.is_empty():
        raise RunRefused(
            "run.nothing_to_train", "no row has features and a label that is known at the run's as_of"
        )
    model = past.fit(make_model(components.model, params))
    folds = _walk(trainer, components, params, rows, grid, description, connection)
    metrics = _metrics(components.evaluator(), folds, dict(model.train_facts), connection)
    index = _index(description, components, params, features)
    folder = Path("artifact")
    write_model(folder, model, index)
    write_reference(folder, _reference(past, folds, components, description))
    connection.stage_artifact(folder.resolve(), components.model.format)
    connection.progress(1.0, "done")
    connection.complete(metrics, _facts(features, labels, past, folds, grid, config, description))


def _params(components: Components, config: Config) -> pydantic.BaseModel:
    try:
        return components.model.Params.model_validate(config.hyper_parameters)
    except pydantic.ValidationError as error:
        raise RunRefused("run.hyper_parameters_invalid", str(error)) from None


def _walk(
    trainer: BaseTrainer,
    components: Components,
    params: pydantic.BaseModel,
    rows: Rows,
    grid: Grid,
    description: RunDescription,
    connection: Connection,
) -> list[Fold]:
    if trainer.walk_forward is None:
        return []
    make = make_model(components.model, params)
    folds: list[Fold] = []
    predictor, config = components.predictor(), description.config
    plan, category = trainer.walk_forward, description.category
    for fold in walk_forward(plan, make, predictor, rows, grid, config, category):
        folds.append(fold)
        share = len(folds) / (len(folds) + 1)
        connection.progress(0.4 + 0.5 * share, f"judged block {fold.number}")
    return folds


def _metrics(
    evaluator: BaseEvaluator, folds: list[Fold], train_facts: dict[str, float], connection: Connection
) -> dict[str, float]:
    """Metrics over all blocks; those of each block are logged as steps. None without a walk-forward."""
    if not folds:
        return {}
    points = [
        (name, fold.number, value)
        for fold in folds
        for name, value in evaluator.evaluate(
            Evaluation(fold.predictions, train_facts, fold.rejected)
        ).items()
        if math.isfinite(value)
    ]
    if points:
        connection.log_metrics(points)
    together, rejected = _together(folds)
    metrics = evaluator.evaluate(Evaluation(together, train_facts, rejected))
    infinite = sorted(name for name, value in metrics.items() if not math.isfinite(value))
    if infinite:
        raise RunRefused(
            "run.metric_not_finite", f"the evaluator gave {infinite[0]} = {metrics[infinite[0]]}"
        )
    return {name: float(value) for name, value in metrics.items()}


def _together(folds: list[Fold]) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """What all blocks predicted, and what a filter left out in them."""
    left_out = [fold.rejected for fold in folds if fold.rejected is not None]
    return pl.concat([fold.predictions for fold in folds]), pl.concat(left_out) if left_out else None


def _reference(
    trained: Rows, folds: list[Fold], components: Components, description: RunDescription
) -> Reference:
    judged, rejected = _together(folds) if folds else (None, None)
    output = list(components.predictor.columns)
    monitor = components.monitor()
    return training_reference(trained, judged, output, description.category, monitor, rejected)


def _index(
    description: RunDescription, components: Components, params: pydantic.BaseModel, features: FeatureRows
) -> ModelIndex:
    return ModelIndex(
        definition=description.definition,
        entry_point=description.entry_points["model"],
        format=components.model.format,
        features=features.columns,
        hyper_parameters=params.model_dump(mode="json"),
        output_columns=dict(components.predictor.columns),
    )


def _facts(
    features: FeatureRows,
    labels: pl.DataFrame,
    trained: Rows,
    folds: list[Fold],
    grid: Grid,
    config: Config,
    description: RunDescription,
) -> dict[str, Any]:
    """What is worth telling: the last usable day (L2), rows trained on, rows left out, how it was
    computed.
    """
    unlabelled = features.frame.join(labels, on=["date", "entity"], how="anti").height
    usable = last_trainable(grid.sessions["session"], config.horizon, grid.sessions, description.as_of)
    return {
        "last_trainable": _iso(usable),
        "last_trained": _iso(trained.frame["date"].max()),
        "rows": trained.frame.height,
        "rows_without_label": unlabelled,
        "features": len(features.columns),
        "folds": len(folds),
        "rows_predicted": sum(fold.predictions.height for fold in folds),
        "knowledge_epochs": features.epochs,
    }


def _iso(day: object) -> str | None:
    return day.isoformat() if isinstance(day, date) else None
