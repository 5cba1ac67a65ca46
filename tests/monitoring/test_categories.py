"""Monitoring by category: each is judged by its own figures, as at its training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from optaic.mlops import bases
from optaic.mlops.base import BaseMonitor, BasePredictor, Frames
from optaic.mlops.pipelines.inference import infer
from optaic.mlops.pipelines.monitoring import monitor
from optaic.mlops.pipelines.training import train
from optaic.mlops.runner.components import Components
from tests.sdk.sample_definition import (
    COMPONENTS,
    START,
    Forward,
    MemoryExecutor,
    Momentum,
    at,
    described,
    revisions,
    walk,
)

ENTITIES = "ABCDEF"
DAYS, TRAINED = 150, 70


class Steps(Momentum):
    """The step and its rank."""

    def compute(self, frames: Frames) -> pl.DataFrame:
        return super().compute(frames).select("entity", "date", "step", "rank")


class Offered(Steps):
    """What a filter chooses from, beside the step."""

    def compute(self, frames: Frames) -> pl.DataFrame:
        signals = frames["signals"].select("entity", "date", "signal")
        return super().compute(frames).drop("rank").join(signals, on=["entity", "date"])


class Relevant(bases.EvaluatorMonitor, evaluator=bases.RelevanceEvaluator, key_metric="half_stability"):
    evidently = False


class Filtering(bases.EvaluatorMonitor, evaluator=bases.FilterEvaluator, key_metric="gain_bps"):
    evidently = False


class Regimes(bases.EvaluatorMonitor, evaluator=bases.RegimeEvaluator, key_metric="log_loss"):
    evidently = False


class BestTwo(bases.FilterPredictor, keep=2):
    pass


class UpOrDown(bases.RegimePredictor, labels=("down", "up")):
    def rows(self, keys: pl.DataFrame, raw: np.ndarray) -> pl.DataFrame:
        up = 1 / (1 + np.exp(-np.clip(raw * 100, -5, 5)))
        return super().rows(keys, np.column_stack([1 - up, up]))


class Rises(Forward):
    """1 where the price rises, else 0."""

    def compute(self, frames: Frames, horizon: int) -> pl.DataFrame:
        rises = (pl.col("target") > 0).cast(pl.Float64)
        return super().compute(frames, horizon).with_columns(target=rises, outcome=rises)


@dataclass(frozen=True)
class Case:
    """A category's parts and what its monitoring has to tell."""

    category: str
    parts: Components
    lag: int
    figures: set[str]


def parts(predictor: type[BasePredictor], watch: type[BaseMonitor], **more: Any) -> Components:
    return replace(COMPONENTS, predictor=predictor, monitor=watch, **more)


CASES = [
    Case(
        "relevance",
        parts(
            bases.RelevancePredictor,
            Relevant,
            features=Steps,
            model=bases.RankCorrelationRelevance,
            evaluator=bases.RelevanceEvaluator,
        ),
        1,
        {"performance.rank_stability", "performance.half_stability.degradation", "performance.dates"},
    ),
    Case(
        "signal_filtering",
        parts(BestTwo, Filtering, features=Offered, target=bases.Payoff, evaluator=bases.FilterEvaluator),
        0,
        {"performance.kept_bps", "performance.rejected_bps", "performance.gain_bps.baseline"},
    ),
    Case(
        "macro_regime",
        parts(UpOrDown, Regimes, features=Steps, target=Rises, evaluator=bases.RegimeEvaluator),
        1,
        {"performance.log_loss", "performance.ece", "performance.log_loss.degradation"},
    ),
]


def histories() -> dict[str, pl.DataFrame]:
    draw = np.random.default_rng(6)
    signals = [
        (name, day, day + 0.875, float(draw.uniform(-1, 1))) for day in range(DAYS) for name in ENTITIES
    ]
    return {"prices": revisions(walk(DAYS, ENTITIES)), "signals": revisions(signals, "signal")}


def told(case: Case, kind: str, as_of: datetime, roles: Sequence[str], **more: Any) -> Any:
    config = {"horizon": 2, "feature_lag": case.lag}
    return described(kind, as_of, roles, config=config, **more).model_copy(
        update={"category": case.category, "output_dataset": "d-predictions"}
    )


def stored(output: pl.DataFrame) -> pl.DataFrame:
    """Predictions as the store holds them."""
    rows = output.sort("entity", "date").with_row_index("seq", 1)
    return rows.with_columns(pl.col("seq").cast(pl.Int64), op=pl.lit("U"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.category)
def test_each_category_is_trained_predicts_and_is_judged_by_its_own_figures(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, roles = histories(), ("prices", "signals")
    train(told(case, "training", at(TRAINED + 0.9), roles), case.parts, MemoryExecutor(data))
    model = {"number": 1, "trained_as_of": at(TRAINED + 0.9), "folder": str(tmp_path / "artifact")}
    days = [START.fromordinal(START.toordinal() + day) for day in (TRAINED + 1, DAYS - 1)]
    asked = {"first": days[0], "last": days[1]}
    inference = MemoryExecutor(data)
    infer(told(case, "inference", at(DAYS), roles, model=model, decisions=asked), case.parts, inference)
    assert inference.output is not None
    watched = MemoryExecutor(data | {"predictions": stored(inference.output)})
    monitor(
        told(
            case,
            "monitoring",
            at(DAYS),
            ("predictions", *roles),
            prices="outcome",
            signals="outcome",
            model=model,
            feature_roles={"prices": "prices", "signals": "signals"},
        ),
        case.parts,
        watched,
    )
    assert case.figures <= set(watched.metrics), sorted(watched.metrics)
    assert watched.facts["realised"] > 0
    assert watched.facts["degraded"] in (True, False)
    assert "drift.share" in watched.metrics
    assert "not_measured" not in watched.facts
