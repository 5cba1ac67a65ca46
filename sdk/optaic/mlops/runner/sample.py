"""The small data of a rehearsal: the definition's own, or generated from the inputs it declares."""

import importlib.util
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from optaic.mlops.base import BaseFeatures
from optaic.mlops.point_in_time import MOMENT, sessions_of_rows
from optaic.mlops.runner.components import Components
from optaic.mlops.runner.description import Config, Decisions, Input, Model, RunDescription

OWN_SAMPLE = "tests/reference_sample.py"
"""A module with `frames()`: role → entity, date, knowledge_date, values."""
ENTITIES = 8
SESSIONS_BEYOND_WARM_UP = 150
START = date(2010, 1, 1)
TRAINED_SHARE = 0.75


class NoSample(Exception):
    """Why there is nothing to rehearse on."""


class Sample:
    """Frames by role, and the executor's side of runs on them, kept in memory."""

    def __init__(self, name: str, frames: Mapping[str, pl.DataFrame], *, is_generated: bool) -> None:
        self.name = name
        self.frames = dict(frames)
        self.is_generated = is_generated
        self.artifact: Path | None = None
        self.output: pl.DataFrame | None = None
        sessions = sessions_of_rows(next(iter(self.frames.values())))
        self._closes: list[datetime] = sessions["close"].sort().to_list()
        self._trained_as_of = self._closes[int(len(self._closes) * TRAINED_SHARE)]

    def training(self, task: Mapping[str, Any]) -> RunDescription:
        """A training as of three quarters of the sample."""
        return self._run(task, "training", self._trained_as_of)

    def inference(self, task: Mapping[str, Any]) -> RunDescription:
        """An inference over every later decision, with the model that was trained."""
        model = Model(number=1, trained_as_of=self._trained_as_of, folder=str(self.artifact))
        decisions = Decisions(first=self._trained_as_of.date() + timedelta(days=1), last=date.max)
        run = self._run(task, "inference", self._closes[-1])
        return run.model_copy(update={"model": model, "decisions": decisions})

    def _run(self, task: Mapping[str, Any], kind: Any, as_of: datetime) -> RunDescription:
        return RunDescription(
            run_id="rehearsal",
            kind=kind,
            instance="rehearsal",
            definition=task["definition"],
            category=task["category"],
            entry_points=task["entry_points"],
            package_folder=task["package"],
            as_of=as_of,
            # a filter hands on the values of its decision
            config=Config(feature_lag=0 if task["category"] == "signal_filtering" else 1),
            inputs=tuple(Input(dataset=role, version=1, role=role) for role in self.frames),
            output_dataset="rehearsal-predictions",
        )

    def revisions(self, role: str, as_of: datetime) -> pl.DataFrame:
        """Every row known at a moment."""
        rows = self.frames[role].with_columns(
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("seq"), pl.lit("U").alias("op")
        )
        known = rows.filter(pl.col("knowledge_date") <= as_of)
        return known.sort("entity", "date", "knowledge_date", "seq")

    def sessions(self, calendar: str, first: date, last: date) -> pl.DataFrame:
        """There is no calendar: the rows' own dates are the sessions."""
        raise LookupError(f"a rehearsal has no calendar {calendar} ({first} to {last})")

    def log_metrics(self, points: list[tuple[str, int, float]]) -> None:
        """Nothing is kept."""

    def progress(self, fraction: float, message: str) -> None:
        """Nobody is told."""

    def stage_artifact(self, folder: Path, artifact_format: str) -> str:
        """Keep where the model's files are."""
        self.artifact = folder
        return artifact_format

    def stage_output(
        self,
        path: Path,
        decisions: Sequence[date] | None = None,  # noqa: ARG002  # named by the protocol
    ) -> None:
        """Keep the predictions."""
        self.output = pl.read_ipc_stream(path)

    def complete(self, metrics: Mapping[str, float], facts: Mapping[str, Any]) -> None:
        """Nothing is kept."""


def choose_sample(
    components: Components, inputs: Sequence[Mapping[str, Any]], category: str, package: Path
) -> Sample:
    """The definition's own sample; else the generated one in which most features have values.

    Raises NoSample where no features can be computed on generated data.
    """
    own = package / OWN_SAMPLE
    if own.is_file():
        return Sample(OWN_SAMPLE, _own_frames(own), is_generated=False)
    if not inputs:
        raise NoSample(f"the definition declares no inputs and has no {OWN_SAMPLE}")
    sessions = components.features.warm_up + SESSIONS_BEYOND_WARM_UP
    shapes = {
        "one cross-section beside single series": [ENTITIES] + [1] * (len(inputs) - 1),
        "cross-sections": [ENTITIES] * len(inputs),
        "single series": [1] * len(inputs),
    }
    names = sorted(shapes, reverse=True) if category == "macro_regime" else list(shapes)
    best, most, reasons = None, 0.0, list[str]()
    for name in names:
        frames = _generated(inputs, shapes[name], sessions)
        try:
            share = _share_with_values(components.features(), frames)
        except Exception as error:
            reasons.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
            continue
        if share > most:
            best, most = Sample(f"generated data ({name})", frames, is_generated=True), share
    if best is None:
        why = "; ".join(reasons) or "no feature has a value"
        raise NoSample(f"no {OWN_SAMPLE}, and on generated data {why}")
    return best


def _share_with_values(features: BaseFeatures, frames: Mapping[str, pl.DataFrame]) -> float:
    computed = features.compute(frames)
    if computed.select(pl.struct("entity", "date").is_duplicated().any()).item():
        raise ValueError("two rows of one (entity, date)")
    values = computed.drop("entity", "date").cast(pl.Float64).fill_nan(None)
    present = values.select(pl.mean_horizontal(pl.all().is_not_null().mean())).item()
    return float(present or 0.0)


def _own_frames(path: Path) -> dict[str, pl.DataFrame]:
    spec = importlib.util.spec_from_file_location("reference_sample", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.frames())


def _generated(
    inputs: Sequence[Mapping[str, Any]], entities: Sequence[int], sessions: int
) -> dict[str, pl.DataFrame]:
    """Positive random walks, daily, each row known in the evening of its date."""
    random = np.random.default_rng(20)
    return {
        one["role"]: _walks(random, one["columns"], count, sessions)
        for one, count in zip(inputs, entities, strict=True)
    }


def _walks(random: np.random.Generator, columns: Sequence[str], entities: int, sessions: int) -> pl.DataFrame:
    days = [START + timedelta(days=n) for n in range(sessions)]
    known = [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in days]
    names = [f"e{n}" for n in range(entities)] if entities > 1 else [""]
    return pl.DataFrame(
        {
            "entity": names * sessions,
            "date": [day for day in days for _ in names],
            "knowledge_date": pl.Series([moment for moment in known for _ in names], dtype=MOMENT),
            **{
                name: 50 * np.exp(random.normal(0, 0.02, (sessions, entities)).cumsum(axis=0)).ravel()
                for name in columns
            },
        }
    )
