"""A small definition and an in-memory executor for tests of the pipelines."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import pydantic

from optaic.mlops import base
from optaic.mlops.runner.components import Components
from optaic.mlops.runner.description import Config, Input, RunDescription

MOMENT = pl.Datetime("us", "UTC")
START = date(2024, 1, 1)


class Momentum(base.BaseFeatures):
    """Causal features, one of them across entities and one across inputs."""

    def compute(self, frames: base.Frames) -> pl.DataFrame:
        rows = frames["prices"].sort("entity", "date")
        steps = rows.select(
            "entity",
            "date",
            (pl.col("close") / pl.col("close").shift(1).over("entity") - 1).alias("step"),
            pl.col("close").cum_sum().over("entity").alias("sum"),
        ).with_columns(pl.col("step").rank().over("date").alias("rank"))
        if "macro" not in frames:
            return steps
        macro = frames["macro"].sort("date").select("date", pl.col("level"))
        return steps.sort("date").join_asof(macro, on="date", strategy="backward").sort("date", "entity")


class Forward(base.BaseTarget):
    """The return over the next rows of an entity."""

    def compute(self, frames: base.Frames, horizon: int) -> pl.DataFrame:
        rows = frames["prices"].sort("entity", "date")
        ahead = pl.col("close").shift(-horizon).over("entity") / pl.col("close") - 1
        return rows.select("entity", "date", ahead.alias("target"), ahead.alias("outcome")).drop_nulls(
            "target"
        )


class MeanParams(base.Params):
    """One parameter, so that it can be given."""

    scale: float = pydantic.Field(default=1.0, gt=0)


class MeanModel(base.BaseModel):
    """Least squares on the filled features; its file is text."""

    Params = MeanParams
    format = "text"

    def __init__(self, params: pydantic.BaseModel, weights: np.ndarray | None = None) -> None:
        super().__init__(params)
        self.weights = weights

    def fit(self, features: pl.DataFrame, target: pl.Series, dates: pl.Series) -> None:
        rows = features.fill_null(0.0).to_numpy()
        self.weights = np.linalg.lstsq(rows, target.to_numpy(), rcond=None)[0]

    def predict(self, features: pl.DataFrame) -> np.ndarray:
        assert self.weights is not None
        return features.fill_null(0.0).to_numpy() @ self.weights

    def save(self, folder: Path) -> None:
        assert self.weights is not None
        (folder / "weights.txt").write_text("\n".join(float(one).hex() for one in self.weights))

    @classmethod
    def load(cls, folder: Path, params: pydantic.BaseModel) -> Self:
        lines = (folder / "weights.txt").read_text().splitlines()
        return cls(params, np.array([float.fromhex(line) for line in lines]))


class Trainer(base.BaseTrainer):
    """Judged in blocks of five decisions from the tenth on."""

    features = Momentum
    target = Forward
    model = MeanModel
    walk_forward = base.WalkForward(first_test=10, refit_every=5)


class Evaluator(base.BaseEvaluator):
    """Mean absolute error."""

    def evaluate(self, evaluation: base.Evaluation) -> dict[str, float]:
        error = evaluation.frame["signal"] - evaluation.frame["outcome"]
        return {"error": float(error.abs().mean()), "rows": float(evaluation.frame.height)}  # pyright: ignore[reportArgumentType]


class Predictor(base.BasePredictor):
    """The raw output, clipped."""

    columns: ClassVar = {"signal": "float64"}

    def rows(self, keys: pl.DataFrame, raw: np.ndarray) -> pl.DataFrame:
        return keys.with_columns(pl.Series("signal", np.clip(raw, -1, 1)))


class Monitor(base.BaseMonitor):
    """The evaluator's metrics on realised outcomes."""

    key_metric = "error"
    evidently = False

    def performance(self, evaluation: base.Evaluation) -> dict[str, float]:
        return Evaluator().evaluate(evaluation)


COMPONENTS = Components(MeanModel, Momentum, Forward, Trainer, Evaluator, Predictor, Monitor)


def close_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 21, tzinfo=UTC)


def at(days: float) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=days)


def revisions(rows: Sequence[tuple[str, int, float, float | None]], value: str = "close") -> pl.DataFrame:
    """From (entity, day number, known after so many days, value or None for a tombstone), in write order."""
    frame = pl.DataFrame(
        {
            "entity": [row[0] for row in rows],
            "date": [START + timedelta(days=row[1]) for row in rows],
            "knowledge_date": [at(row[2]) for row in rows],
            value: [row[3] for row in rows],
            "seq": list(range(1, len(rows) + 1)),
            "op": ["D" if row[3] is None else "U" for row in rows],
        },
        schema={
            "entity": pl.String,
            "date": pl.Date,
            "knowledge_date": MOMENT,
            value: pl.Float64,
            "seq": pl.Int64,
            "op": pl.String,
        },
    )
    return frame.sort("entity", "date", "knowledge_date", "seq")


def walk(
    days: int, entities: str = "AB", known_hour: float = 21.0
) -> list[tuple[str, int, float, float | None]]:
    """A clean random walk: each row known on its own day."""
    draw = np.random.default_rng(3)
    steps = 1 + draw.normal(0, 0.02, size=(days, len(entities)))
    levels = 100 * np.cumprod(steps, axis=0)
    return [
        (name, day, day + known_hour / 24, float(levels[day, place]))
        for day in range(days)
        for place, name in enumerate(entities)
    ]


class MemoryExecutor:
    """The executor's side, in memory: every day is a session that closes at 21:00 UTC."""

    def __init__(self, histories: Mapping[str, pl.DataFrame]) -> None:
        self.histories = histories
        self.points: list[tuple[str, int, float]] = []
        self.metrics: dict[str, float] = {}
        self.facts: dict[str, Any] = {}
        self.artifact: Path | None = None
        self.output: pl.DataFrame | None = None
        self.reports: dict[str, bytes] = {}

    def revisions(self, role: str, as_of: datetime) -> pl.DataFrame:
        return self.histories[role].filter(pl.col("knowledge_date") <= as_of)

    def sessions(self, calendar: str, first: date, last: date) -> pl.DataFrame:
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        return pl.DataFrame(
            {"date": days, "close": [close_of(day) for day in days]},
            schema={"date": pl.Date, "close": MOMENT},
        )

    def log_metrics(self, points: list[tuple[str, int, float]]) -> None:
        self.points += points

    def progress(self, fraction: float, message: str) -> None:
        assert 0 <= fraction <= 1
        assert message

    def stage_artifact(self, folder: Path, artifact_format: str) -> str:
        self.artifact = folder
        return artifact_format

    def stage_output(self, path: Path, decisions: Sequence[date] | None = None) -> None:
        self.output = pl.read_ipc_stream(path)

    def stage_report(self, path: Path, name: str) -> None:
        self.reports[name] = path.read_bytes()

    def complete(self, metrics: Mapping[str, float], facts: Mapping[str, Any]) -> None:
        self.metrics, self.facts = dict(metrics), dict(facts)


def described(
    kind: Any, as_of: datetime, roles: Sequence[str] = ("prices",), **changes: Any
) -> RunDescription:
    """A run's description over in-memory inputs."""
    config = Config.model_validate({"calendar": "DAYS"} | changes.pop("config", {}))
    inputs = tuple(
        Input(dataset=f"d-{role}", version=1, role=role, use=changes.pop(role, "input")) for role in roles
    )
    return RunDescription(
        run_id="01920000-0000-7000-8000-000000000000",
        kind=kind,
        instance="sample",
        definition="sample@1.0.0",
        category=changes.pop("category", "signal"),
        entry_points={"model": "model.mean:MeanModel"},
        package_folder="",
        as_of=as_of,
        config=config,
        inputs=inputs,
        output_dataset="sample-predictions",
        **changes,
    )
