"""A walk-forward evaluation in thirty lines, the oracle of the service's own pipelines on real data.

For datasets in one vintage, where the rows known at t are those with `knowledge_date <= t`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from types import SimpleNamespace

import polars as pl

from optaic.mlops import point_in_time
from optaic.mlops.base import Evaluation

Frames = dict[str, pl.DataFrame]


@dataclass(frozen=True)
class Judged:
    """What came out of sample, block by block, and what was judged."""

    metrics: dict[str, float]
    predictions: pl.DataFrame
    blocks: list[point_in_time.Block]
    rows: pl.DataFrame
    """Decision rows with lagged features, labelled or not."""
    last_trainable: date | None


def known(frames: Frames, as_of: datetime) -> Frames:
    """The rows that a reader had at `as_of`."""
    return {role: frame.filter(pl.col("knowledge_date") <= as_of) for role, frame in frames.items()}


def judge(definition: SimpleNamespace, frames: Frames, *, clock: str, horizon: int, lag: int) -> Judged:
    """Walk forward over frames that hold what was known; `clock`: the role whose dates are the sessions."""
    trainer, schedule = definition.trainer(), definition.trainer.walk_forward
    sessions = point_in_time.sessions_of_rows(frames[clock])
    decisions = pl.Series("date", trainer.decision_dates(sessions["session"].to_list()))
    features = point_in_time.lag_features(
        definition.features().compute(frames), decisions, sessions, lag
    ).drop("feature_date")
    rows = features.join(
        definition.target().compute(frames, horizon), on=["date", "entity"], how="left", maintain_order="left"
    )
    blocks = point_in_time.walk_forward_blocks(
        decisions.to_list(),
        horizon,
        sessions,
        first_test=schedule.first_test,
        refit_every=schedule.refit_every,
        last_blocks=schedule.last_blocks,
    )
    last = point_in_time.last_trainable(sessions["session"], horizon, sessions, sessions["close"][-1])
    return _judged(definition, rows, blocks, last)


def judge_on(definition: SimpleNamespace, judged: Judged) -> Judged:
    """Another definition with the same features, target and schedule, on the rows that are there already."""
    return _judged(definition, judged.rows, judged.blocks, judged.last_trainable)


def _judged(
    definition: SimpleNamespace, rows: pl.DataFrame, blocks: list[point_in_time.Block], last: date | None
) -> Judged:
    names = [name for name in rows.columns if name not in ("date", "entity", "target", "outcome")]
    fitted = [_block(definition, rows, names, block) for block in blocks]
    predictions = pl.concat([predicted for predicted, _ in fitted])
    outcomes = rows.select("date", "entity", "outcome")
    joined = predictions.join(outcomes, on=["date", "entity"])
    evaluation = Evaluation(joined.drop_nulls("outcome"), fitted[-1][1], _left_out(rows, predictions))
    return Judged(definition.evaluator().evaluate(evaluation), predictions, blocks, rows, last)


def _block(
    definition: SimpleNamespace, rows: pl.DataFrame, names: list[str], block: point_in_time.Block
) -> tuple[pl.DataFrame, dict[str, float]]:
    train = rows.filter(pl.col("date").is_in(block.train.implode())).drop_nulls("target")
    test = rows.filter(pl.col("date").is_in(block.test.implode()))
    model = definition.model(definition.model.Params())
    model.fit(train.select(names), train["target"], train["date"])
    raw = model.predict(test.select(names))
    predicted = definition.predictor().rows(test.select("date", "entity", *names), raw)
    return predicted.select("date", "entity", *definition.predictor.columns), getattr(
        model, "train_facts", {}
    )


def _left_out(rows: pl.DataFrame, predictions: pl.DataFrame) -> pl.DataFrame | None:
    """What a filter did not keep of the dates that it predicted; None for what keeps every row."""
    offered = rows.filter(pl.col("date").is_in(predictions["date"].implode()))
    if "signal" not in offered.columns:
        return None
    return offered.drop_nulls("outcome").join(predictions, on=["date", "entity"], how="anti")
