"""How a training judges itself: walk-forward blocks, each predicted by a model that saw only what was known
before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl
import pydantic

from optaic.mlops.base import BaseModel, BasePredictor, WalkForward
from optaic.mlops.pipelines.grid import Grid
from optaic.mlops.point_in_time import Block, walk_forward_blocks
from optaic.mlops.runner.connection import RunRefused
from optaic.mlops.runner.description import Config


@dataclass(frozen=True)
class Rows:
    """Training rows: date, entity, the features, target, outcome, known_at; and which columns are
    features.
    """

    frame: pl.DataFrame
    features: tuple[str, ...]

    def fit(self, make: Callable[[], BaseModel]) -> BaseModel:
        """A new model fitted on these rows."""
        model = make()
        model.fit(self.frame.select(self.features), self.frame["target"], self.frame["date"])
        return model

    def where(self, condition: pl.Expr) -> "Rows":
        """The rows that a condition keeps."""
        return Rows(self.frame.filter(condition), self.features)


@dataclass(frozen=True)
class Fold:
    """The predictions of one block, joined with what came: date, entity, the output's columns, outcome."""

    number: int
    predictions: pl.DataFrame
    train_rows: int


def make_model(model: type[BaseModel], params: pydantic.BaseModel) -> Callable[[], BaseModel]:
    """How a fresh model is made: each fit begins from nothing."""
    return lambda: model(params)


def predict_rows(
    model: BaseModel, predictor: BasePredictor, rows: pl.DataFrame, features: tuple[str, ...]
) -> pl.DataFrame:
    """The category's output for rows of features: date, entity and exactly the predictor's columns."""
    raw = model.predict(rows.select(features))
    output = predictor.rows(rows.select("date", "entity"), raw)
    wanted = ["date", "entity", *predictor.columns]
    missing = [name for name in wanted if name not in output.columns]
    if missing or output.height != rows.height:
        detail = (
            f"no column {missing[0]!r}"
            if missing
            else f"{output.height} rows for {rows.height} rows of features"
        )
        raise RunRefused("run.output_malformed", f"the predictor gave {detail}")
    return output.select(wanted)


def walk_forward(
    plan: WalkForward,
    make: Callable[[], BaseModel],
    predictor: BasePredictor,
    rows: Rows,
    grid: Grid,
    config: Config,
) -> Iterator[Fold]:
    """Fit and predict block by block; blocks without rows to train on, or to predict, are left out."""
    for block in _blocks(plan, grid, config):
        training = rows.where(in_window(block, config, grid))
        testing = rows.frame.filter(pl.col("date").is_in(block.test.implode()))
        if training.frame.is_empty() or testing.is_empty():
            continue
        predicted = predict_rows(training.fit(make), predictor, testing, rows.features)
        outcomes = testing.select("date", "entity", "outcome")
        joined = predicted.join(outcomes, on=["date", "entity"], how="inner").drop_nulls("outcome")
        yield Fold(block.number, joined.sort("date", "entity"), training.frame.height)


def _blocks(plan: WalkForward, grid: Grid, config: Config) -> list[Block]:
    return walk_forward_blocks(
        grid.decisions["date"].to_list(),
        config.horizon,
        grid.sessions,
        first_test=plan.first_test,
        refit_every=plan.refit_every,
        last_blocks=plan.last_blocks,
    )


def in_window(block: Block, config: Config, grid: Grid) -> pl.Expr:
    """L2 and L5: before the block, label known at its fit, and within the training window."""
    before = (pl.col("date") < block.first) & (pl.col("known_at") <= block.trained_as_of)
    past = grid.sessions.filter(pl.col("close") <= block.trained_as_of)["session"]
    return before & window_begins(past, config.train_window)


def window_begins(past: pl.Series, window: int | None) -> pl.Expr:
    """Only the newest `window` sessions of those that are past; all of them without a window."""
    if window is None or window >= past.len():
        return pl.lit(value=True)
    return pl.col("date") >= past.sort()[past.len() - window]
