"""How a training judges itself: walk-forward blocks, each predicted by a model that saw only what was known
before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl
import pydantic

from optaic.mlops.base import BaseModel, BasePredictor, WalkForward
from optaic.mlops.pipelines.grid import Grid
from optaic.mlops.pipelines.output import FILTERING, outcome_rows, predict_rows
from optaic.mlops.point_in_time import Block, walk_forward_blocks
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
    rejected: pl.DataFrame | None = None
    """What a filter left out: date, entity, signal, outcome."""


def make_model(model: type[BaseModel], params: pydantic.BaseModel) -> Callable[[], BaseModel]:
    """How a fresh model is made: each fit begins from nothing."""
    return lambda: model(params)


def walk_forward(
    plan: WalkForward,
    make: Callable[[], BaseModel],
    predictor: BasePredictor,
    rows: Rows,
    grid: Grid,
    config: Config,
    category: str = "signal",
) -> Iterator[Fold]:
    """Fit and predict block by block; blocks without rows to train on, or to predict, are left out."""
    for block in _blocks(plan, grid, config):
        training = rows.where(in_window(block, config, grid))
        testing = rows.frame.filter(pl.col("date").is_in(block.test.implode()))
        if training.frame.is_empty() or testing.is_empty():
            continue
        predicted = predict_rows(training.fit(make), predictor, testing, rows.features, category)
        outcomes = outcome_rows(testing, rows.features, category)
        joined = predicted.join(outcomes, on=["date", "entity"], how="inner").drop_nulls("outcome")
        left_out = _rejected(testing, predicted) if category == FILTERING else None
        yield Fold(block.number, joined.sort("date", "entity"), training.frame.height, left_out)


def _rejected(offered: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame | None:
    if "signal" not in offered.columns:
        return None
    rows = offered.select("date", "entity", "signal", "outcome").drop_nulls()
    return rows.join(kept, on=["date", "entity"], how="anti").sort("date", "entity")


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
