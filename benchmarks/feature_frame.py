"""The features of every decision, each as it was known then, against the same expressions on a plain frame.

Run: python -m benchmarks.feature_frame. The shape of the first scenario: 8,313 sessions, 20 entities, the 11
features of the example `xgb-signal`, a lag of one session; made-up prices, no row late or revised. Plain is
what a notebook would do: compute on the frame, shift by one session. CPU is that of all threads: on a busy
machine its ratio says more.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from optaic.mlops.base import BaseFeatures
from optaic.mlops.pipelines.features import feature_rows
from optaic.mlops.pipelines.grid import Grid
from optaic.mlops.pipelines.knowledge import History, Inputs
from optaic.mlops.point_in_time import sessions_of_rows
from optaic.mlops.runner.description import Config, Input, RunDescription

SESSIONS, ENTITIES, REPEATS = 8_313, 20, 9
TARGET = 1.5
AS_OF = datetime(2030, 1, 1, tzinfo=UTC)
PACKAGE = Path(__file__).resolve().parents[1] / "examples" / "xgb-signal"


def prices(names: list[str]) -> pl.DataFrame:
    """Revisions of a random walk a name, each known at 21:00 of its day."""
    days = [date(2000, 1, 3) + timedelta(days=n) for n in range(SESSIONS)]
    steps = np.random.default_rng(7).normal(scale=0.01, size=(len(names), SESSIONS))
    keys = pl.DataFrame({"entity": names}).join(pl.DataFrame({"date": days}), how="cross")
    known = pl.col("date").cast(pl.Datetime("us", "UTC")) + pl.duration(hours=21)
    return keys.with_columns(
        knowledge_date=known,
        close=pl.Series(np.exp(steps.cumsum(axis=1)).ravel() * 100),
        seq=pl.int_range(pl.len(), dtype=pl.Int64),
        op=pl.lit("U"),
    )


class Memory:
    """Hands out revisions that are there already."""

    def __init__(self, revisions: dict[str, pl.DataFrame]) -> None:
        self._revisions = revisions

    def revisions(self, role: str, as_of: datetime) -> pl.DataFrame:
        return self._revisions[role].filter(pl.col("knowledge_date") <= as_of)

    def sessions(self, calendar: str, first: date, last: date) -> pl.DataFrame:
        raise NotImplementedError


def described() -> RunDescription:
    bound = tuple(Input(dataset=f"us-{role}", version=1, role=role) for role in ("prices", "index"))
    return RunDescription(
        run_id="r",
        kind="training",
        instance="bench",
        definition="xgb-signal@1.0.0",
        category="signal",
        entry_points={},
        package_folder="",
        as_of=AS_OF,
        config=Config(),
        inputs=bound,
        output_dataset="out",
    )


def example_features() -> BaseFeatures:
    sys.path.insert(0, str(PACKAGE))
    try:
        from training.features import Features  # pyright: ignore[reportMissingImports]
    finally:
        sys.path.remove(str(PACKAGE))
    return Features()


def plain(features: BaseFeatures, frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
    computed = features.compute(frames).sort("entity", "date")
    names = [name for name in computed.columns if name not in ("entity", "date")]
    lagged = computed.with_columns(pl.col(names).shift(1).over("entity"))
    return lagged.filter(~pl.all_horizontal(pl.col(names).is_null())).sort("date", "entity")


def taken(*actions: Callable[[], object]) -> list[tuple[float, float]]:
    """Least wall and CPU milliseconds of each, in turns."""
    times: list[list[tuple[float, float]]] = [[] for _ in actions]
    for _ in range(REPEATS):
        for action, seen in zip(actions, times, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            action()
            seen.append(((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3))
    return [(min(wall for wall, _ in seen), min(cpu for _, cpu in seen)) for seen in times]


def main() -> None:
    """Print the table."""
    revisions = {"prices": prices([f"E{n:02d}" for n in range(ENTITIES)]), "index": prices(["INDEX"])}
    frames = {role: History(rows).as_of(AS_OF) for role, rows in revisions.items()}
    sessions = sessions_of_rows(revisions["prices"])
    decisions = sessions.select(pl.col("session").alias("date"), pl.col("close").alias("moment"))
    grid, features, config = Grid(sessions, decisions), example_features(), Config()

    def as_of() -> pl.DataFrame:
        inputs = Inputs(Memory(revisions), described())
        return feature_rows(features, inputs, grid, decisions, config, vintage=True).frame

    ours, theirs = as_of(), plain(features, frames)
    assert ours.select(theirs.columns).fill_null(-1).equals(theirs.select(theirs.columns).fill_null(-1))
    (wall, cpu), (plain_wall, plain_cpu) = taken(as_of, lambda: plain(features, frames))
    print(f"{ours.height:,} rows x {ours.width - 3} features, least of {REPEATS} in turns\n")
    print("| | as of | plain | ratio | target |\n|---|---:|---:|---:|---:|")
    print(f"| wall, ms | {wall:.0f} | {plain_wall:.0f} | {wall / plain_wall:.2f} | <= {TARGET} |")
    print(f"| CPU of all threads, ms | {cpu:.0f} | {plain_cpu:.0f} | {cpu / plain_cpu:.2f} | |")


if __name__ == "__main__":
    main()
