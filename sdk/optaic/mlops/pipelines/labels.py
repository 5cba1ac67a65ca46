"""Labels: what each decision should have predicted, and when that became known (L1, L2)."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from optaic.mlops.base import BaseTarget, Frames
from optaic.mlops.pipelines.epochs import Plan, plan_reads
from optaic.mlops.pipelines.grid import Grid
from optaic.mlops.pipelines.knowledge import KEY, History, Inputs, frames_as_of
from optaic.mlops.point_in_time import label_end, label_known_at
from optaic.mlops.runner.connection import RunRefused
from optaic.mlops.runner.description import Config


class ColumnTarget(BaseTarget):
    """The value of a column `horizon` sessions ahead, for instances that name a `target_col`."""

    def __init__(self, column: str, sessions: pl.DataFrame) -> None:
        self.column = column
        self.sessions = sessions

    def compute(self, frames: Frames, horizon: int) -> pl.DataFrame:
        """target and outcome are both the column's value at session(d, +horizon)."""
        frame = next((rows for rows in frames.values() if self.column in rows.columns), None)
        if frame is None:
            raise RunRefused("run.target_unknown", f"no input has the column {self.column!r}")
        dates = self.sessions["session"]
        ends = pl.DataFrame({"begin": dates, "date": label_end(dates, horizon, self.sessions)}).drop_nulls()
        value = pl.col(self.column).cast(pl.Float64)
        joined = frame.select(*KEY, value.alias("target")).join(ends, on="date").drop("date")
        return joined.select("entity", pl.col("begin").alias("date"), "target", outcome=pl.col("target"))


def target_of(definition: type[BaseTarget], config: Config, grid: Grid) -> BaseTarget:
    """The instance's own target column, else the definition's target."""
    return definition() if config.target_col is None else ColumnTarget(config.target_col, grid.sessions)


def label_rows(
    target: BaseTarget, inputs: Inputs, grid: Grid, config: Config, *, vintage: bool
) -> pl.DataFrame:
    """entity, date, target, outcome, known_at: the labels known at the run's `as_of`.

    `known_at` is the close of end(d) = session(d, +horizon) or later, when the rows of that date came later.
    `outcome` (predictions are judged by it) is always as of the run; `target` (models are fitted on it) is as
    of its own `known_at` under vintage, so that a later revision never enters an earlier fit. Outcome
    datasets judge and train nothing: that they come late does not delay a target.
    """
    histories = inputs.histories(inputs.inputs)
    fitted = inputs.histories(inputs.feature_roles)
    now = _computed(target, frames_as_of(histories, inputs.as_of), config.horizon)
    known = _with_knowledge(now, fitted, grid, config.horizon, inputs.as_of)
    if not vintage:
        return known.drop("end")
    first = _as_first_known(
        target, histories, plan_reads(fitted.values(), _reads(known)), known, config.horizon
    )
    joined = known.join(first, on=KEY, how="left", suffix="_then")
    missing = pl.col("target_then").is_null()
    # a label that the rows of its own time did not give yet is known since now, not since then
    return joined.select(
        *KEY,
        pl.coalesce("target_then", "target").alias("target"),
        "outcome",
        pl.when(missing).then(pl.lit(inputs.as_of)).otherwise(pl.col("known_at")).alias("known_at"),
    )


def _computed(target: BaseTarget, frames: Frames, horizon: int) -> pl.DataFrame:
    computed = target.compute(frames, horizon)
    missing = [name for name in (*KEY, "target", "outcome") if name not in computed.columns]
    if missing:
        raise RunRefused("run.target_malformed", f"the target has no column {missing[0]!r}")
    typed = computed.select(
        pl.col("entity").cast(pl.String),
        pl.col("date").cast(pl.Date),
        pl.col("target").cast(pl.Float64).fill_nan(None),
        pl.col("outcome").cast(pl.Float64).fill_nan(None),
    )
    if typed.select(pl.struct(KEY).is_duplicated().any()).item():
        raise RunRefused("run.target_malformed", "the target has two rows of one (entity, date)")
    return typed.drop_nulls("target").sort("date", "entity")


def _with_knowledge(
    labels: pl.DataFrame, histories: Mapping[str, History], grid: Grid, horizon: int, as_of: datetime
) -> pl.DataFrame:
    """Add end and known_at, and leave out what is not known at `as_of`."""
    sessions = grid.sessions
    ended = labels.with_columns(
        label_end(labels["date"], horizon, sessions).alias("end"),
        label_known_at(labels["date"], horizon, sessions).alias("closed_at"),
    ).drop_nulls("closed_at")
    arrivals = _arrivals(histories)
    usual = _usual_delay(arrivals, sessions)
    joined = ended.join(usual, on="end", how="left").join(arrivals, on=["entity", "end"], how="left")
    known_at = pl.max_horizontal("closed_at", "usual_at", "arrived_at")
    return (
        joined.with_columns(known_at.alias("known_at"))
        .filter(pl.col("known_at") <= as_of)
        .select(*KEY, "target", "outcome", "end", "known_at")
        .sort("date", "entity")
    )


def _arrivals(histories: Mapping[str, History]) -> pl.DataFrame:
    """entity, end, arrived_at: when each (entity, date) was first known, in the slowest input that has it."""
    parts = [
        history.revisions.group_by(KEY).agg(pl.col("knowledge_date").min().alias("arrived_at"))
        for history in histories.values()
    ]
    return pl.concat(parts).group_by(KEY).agg(pl.col("arrived_at").max()).rename({"date": "end"})


def _usual_delay(arrivals: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """end, usual_at: the last arrival of each session's rows before the next session closed.

    A target may look at other entities of its date, so all that arrive in the usual course count.
    """
    following = sessions.select(end="session", next_close=pl.col("close").shift(-1))
    in_time = (pl.col("arrived_at") <= pl.col("next_close")).fill_null(value=True)
    joined = arrivals.join(following, on="end").filter(in_time)
    return joined.group_by("end").agg(pl.col("arrived_at").max().alias("usual_at"))


def _reads(known: pl.DataFrame) -> pl.DataFrame:
    return known.select(pl.col("end").alias("cutoff"), pl.col("known_at").alias("moment"))


def _as_first_known(
    target: BaseTarget, histories: Mapping[str, History], plan: Plan, known: pl.DataFrame, horizon: int
) -> pl.DataFrame:
    """entity, date, target: each computed from the rows known at its `known_at`, grouped into epochs."""
    parts = [
        known[epoch.rows]
        .select(KEY)
        .join(
            _computed(target, frames_as_of(histories, epoch.moment), horizon).select(*KEY, "target"), on=KEY
        )
        for epoch in plan.epochs
    ]
    return pl.concat(parts) if parts else known.select(*KEY, "target").clear()
