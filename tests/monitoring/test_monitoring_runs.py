"""A monitoring in memory: what it measures of good data, and what it says of data that cannot be measured."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from optaic.mlops.base import Frames
from optaic.mlops.pipelines.monitoring import monitor
from optaic.mlops.pipelines.reference import read_reference
from optaic.mlops.pipelines.training import train
from optaic.mlops.runner.connection import RunRefused
from optaic.mlops.runner.description import RunDescription
from tests.sdk.sample_definition import (
    COMPONENTS,
    MemoryExecutor,
    Momentum,
    Monitor,
    at,
    described,
    revisions,
    walk,
)

ENTITIES = "ABCDEF"
DAYS, TRAINED = 160, 80.9
NOW = at(DAYS - 0.05)


class Step(Momentum):
    """One stationary feature, so that an undisturbed walk has no drift."""

    def compute(self, frames: Frames) -> pl.DataFrame:
        return super().compute(frames).select("entity", "date", "step")


PARTS = replace(COMPONENTS, features=Step)
Rows = list[tuple[str, int, float, float | None]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model file of a training on the first half."""
    monkeypatch.chdir(tmp_path)
    executor = MemoryExecutor({"prices": revisions(walk(DAYS, ENTITIES))})
    train(described("training", at(TRAINED), config={"horizon": 1}), PARTS, executor)
    return tmp_path / "artifact"


def predictions(days: Sequence[int] = range(90, 155), value: float = 0.01) -> pl.DataFrame:
    """A stored prediction of each entity and day, made on its own day."""
    wave = np.random.default_rng(4).normal(0, value, len(days) * len(ENTITIES))
    keys = [(name, day) for day in days for name in ENTITIES]
    return revisions(
        [(name, day, day + 0.9, float(one)) for (name, day), one in zip(keys, wave, strict=True)], "signal"
    )


def monitored(
    folder: Path,
    rows: Rows,
    stored: pl.DataFrame | None = None,
    parts: Any = PARTS,
    as_of: datetime = NOW,
    **changes: Any,
) -> MemoryExecutor:
    stored = predictions() if stored is None else stored
    executor = MemoryExecutor({"predictions": stored, "prices": revisions(rows)})
    monitor(asked(folder, as_of, **changes), parts, executor)
    json.loads(executor.reports["report"])
    assert all(np.isfinite(one) for one in executor.metrics.values())
    return executor


def asked(folder: Path, as_of: datetime = NOW, **changes: Any) -> RunDescription:
    model = {"number": 3, "trained_as_of": at(TRAINED), "folder": str(folder)}
    description = described(
        "monitoring",
        as_of,
        ("predictions", "prices"),
        prices="outcome",
        config={"horizon": 1} | changes.pop("config", {}),
        model=model,
        feature_roles=changes.pop("feature_roles", {"prices": "prices"}),
    )
    return description.model_copy(update={"output_dataset": "d-predictions"} | changes)


def altered(change: Mapping[str, Any] | None = None, since: int = 97, by: float = 0.0) -> Rows:
    """The walk; from a day on each close is changed in turns by a share, which moves the steps' spread."""
    return [
        (name, day, known, None if close is None else close * (1 + by * (day % 2) if day >= since else 1))
        for name, day, known, close in walk(DAYS, ENTITIES)
        if not (change and change.get("without") == name and day >= since)
    ]


def test_the_training_leaves_its_reference_in_the_model_file(folder: Path) -> None:
    known = read_reference(folder)
    assert known is not None
    assert set(known.features) == {"step"}
    assert known.universe.names == tuple(ENTITIES)
    assert len(known.features["step"].counts) <= 20
    assert known.baseline is not None
    assert {"error", "rank_ic", "hit", "turnover"} <= set(known.baseline.metrics)
    assert (folder / "reference.json").stat().st_size < 30_000


def test_undisturbed_data_has_not_drifted_and_every_name_of_the_seam_is_there(folder: Path) -> None:
    ran = monitored(folder, altered())
    assert ran.metrics["drift.share"] == 0
    assert ran.metrics["drift.feature.step"] < 0.2
    wanted = {
        "drift.prediction.signal",
        "quality.missing.step",
        "quality.infinite.step",
        "quality.duplicates",
        "freshness.sessions.prices",
        "coverage.entities",
        "performance.rank_ic",
        "performance.rank_ic.baseline",
        "performance.rank_ic.degradation",
        "performance.turnover",
    }
    assert wanted <= set(ran.metrics)
    assert ran.metrics["coverage.entities"] == len(ENTITIES)
    assert ran.metrics["freshness.sessions.prices"] == 0
    assert (ran.facts["model_version"], ran.facts["scored_by"]) == (3, "optaic")
    told = ran.facts["distributions"]["step"]
    assert len(told["edges"]) - 1 == len(told["reference"]) == len(told["current"]) <= 20
    report = json.loads(ran.reports["report"])
    assert len(report["series"]) <= 400
    assert report["drift"]["features"][0]["drifted"] is False


def test_a_shift_of_the_data_raises_the_share_of_drifted_features(folder: Path) -> None:
    ran = monitored(folder, altered(by=0.08))
    assert ran.metrics["drift.share"] == 1
    assert ran.metrics["drift.feature.step"] > 0.2
    assert ran.facts["drifted"] == ["step"]


def test_predictions_that_move_have_drifted_and_a_worse_figure_is_degraded(folder: Path) -> None:
    ran = monitored(folder, altered(), predictions(value=0.5))
    assert ran.metrics["drift.prediction.signal"] > 0.2
    assert ran.metrics["performance.error.degradation"] > 0.2
    assert ran.facts["degraded"] is True


def test_a_constant_feed_is_named_with_its_repeated_rows(folder: Path) -> None:
    rows: Rows = [(name, day, known, 100.0) for name, day, known, _ in walk(DAYS, ENTITIES)]
    ran = monitored(folder, rows)
    assert ran.facts["constant"] == ["step"]
    assert ran.metrics["quality.constant"] == 1
    assert ran.metrics["quality.duplicates"] == 62 * len(ENTITIES)
    assert ran.metrics["drift.share"] == 1


def test_infinite_and_missing_values_are_shares(folder: Path) -> None:
    rows = [
        (name, day, known, 0.0 if name == "A" and 120 <= day < 130 else close)
        for name, day, known, close in altered()
    ]
    ran = monitored(folder, rows)
    window = 63 * len(ENTITIES)
    assert ran.metrics["quality.infinite.step"] == pytest.approx(1 / window)
    assert ran.metrics["quality.missing.step"] == pytest.approx(9 / window)
    assert ran.metrics["drift.feature.step"] >= 0


def test_an_entity_that_vanishes_is_named(folder: Path) -> None:
    ran = monitored(folder, altered({"without": "C"}, since=140))
    assert ran.facts["entities_missing"] == ["C"]
    assert ran.metrics["coverage.entities"] == 5
    assert ran.metrics["coverage.share"] == pytest.approx(5 / 6)


def test_data_that_stopped_coming_is_old_by_sessions(folder: Path) -> None:
    ran = monitored(folder, altered()[: 150 * len(ENTITIES)])
    assert ran.metrics["freshness.sessions.prices"] == 10


def test_one_row_and_one_prediction_are_too_few_and_nothing_breaks(folder: Path) -> None:
    ran = monitored(folder, altered()[:1], predictions([90])[:1])
    assert ran.facts["not_measured"] == {
        "features": "no decision of the window has a feature",
        "feature.step": "0 values, 100 are needed",
        "prediction.signal": "1 values, 100 are needed",
        "performance": "no prediction has a known outcome yet",
    }
    assert "drift.share" not in ran.metrics
    assert ran.metrics["coverage.entities"] == 0


def test_a_window_without_rows_is_a_finding(folder: Path) -> None:
    ran = monitored(folder, altered()[: 60 * len(ENTITIES)], config={"max_age": 2})
    assert ran.facts["not_measured"]["features"] == "no decision of the window has a feature"
    assert ran.metrics["freshness.sessions.prices"] == 100
    assert ran.metrics["quality.missing.step"] == 1
    assert ran.metrics["coverage.entities"] == 0


def test_before_the_first_decision_nothing_is_measured_and_it_is_said(folder: Path) -> None:
    early = at(0.95)
    rows = altered()[: len(ENTITIES)]
    ran = monitored(folder, rows, predictions([0]), as_of=early, config={"decision_time": "23:30 UTC"})
    assert ran.facts["not_measured"]["features"].startswith("run.decisions_invalid: ")


def test_an_input_without_rows_by_then_is_a_refusal_by_name(folder: Path) -> None:
    with pytest.raises(RunRefused, match=r"run\.inputs_invalid"):
        monitored(folder, altered(), as_of=at(-5))


def test_features_that_break_on_current_data_are_a_finding_and_the_rest_is_measured(folder: Path) -> None:
    class Broken(Step):
        def compute(self, frames: Frames) -> pl.DataFrame:
            raise ZeroDivisionError("no variance")

    ran = monitored(folder, altered(), parts=replace(PARTS, features=Broken))
    assert ran.facts["not_measured"]["features"] == "ZeroDivisionError: no variance"
    assert "performance.rank_ic" in ran.metrics
    assert "drift.prediction.signal" in ran.metrics


def test_features_without_a_trained_column_are_a_finding(folder: Path) -> None:
    class Renamed(Step):
        def compute(self, frames: Frames) -> pl.DataFrame:
            return super().compute(frames).rename({"step": "stride"})

    ran = monitored(folder, altered(), parts=replace(PARTS, features=Renamed))
    assert ran.facts["not_measured"]["features"].startswith("run.features_malformed: ")


def test_a_model_file_without_a_reference_is_judged_by_what_it_has(folder: Path) -> None:
    (folder / "reference.json").unlink()
    ran = monitored(folder, altered())
    assert ran.facts["not_measured"]["drift"] == "the model version has no training reference"
    assert ran.facts["not_measured"]["degradation"] == "the model version has no baseline"
    assert "quality.missing.step" in ran.metrics
    assert "performance.rank_ic" in ran.metrics
    assert not [name for name in ran.metrics if name.startswith("drift.")]


def test_an_input_that_was_not_pinned_is_a_finding(folder: Path) -> None:
    ran = monitored(folder, altered(), feature_roles={})
    assert ran.facts["not_measured"]["features"].startswith("run.inputs_invalid: ")


def test_live_and_simulated_predictions_are_not_mixed_unless_the_monitor_says_so(folder: Path) -> None:
    stored = predictions()
    half = stored.height // 2
    ran = monitored(folder, altered(), stored)
    assert (ran.facts["performance_of"], ran.facts["simulated"]) == ("live", 0)
    late = asked(folder)
    pinned = late.inputs[0].model_copy(update={"simulated": ((1, half),)})
    told = late.model_copy(update={"inputs": (pinned, *late.inputs[1:])})
    for mixes, judged in ((False, ("live", half)), (True, ("all", stored.height))):

        class Mixing(Monitor):
            mixes_simulated = mixes

        executor = MemoryExecutor({"predictions": stored, "prices": revisions(altered())})
        monitor(told, replace(PARTS, monitor=Mixing), executor)
        assert (executor.facts["performance_of"], executor.facts["realised"]) == judged


def test_the_pinned_method_is_unknown_and_the_run_fails_by_name(folder: Path) -> None:
    class Wrong(Monitor):
        drift_method = "entropy"  # pyright: ignore[reportAssignmentType]

    with pytest.raises(RunRefused, match=r"run\.drift_method_unknown"):
        monitored(folder, altered(), parts=replace(PARTS, monitor=Wrong))


def test_evidently_computes_where_the_monitor_does_not_switch_it_off(folder: Path) -> None:
    class Usual(Monitor):
        evidently = True

    ours = monitored(folder, altered(by=0.02))
    theirs = monitored(folder, altered(by=0.02), parts=replace(PARTS, monitor=Usual))
    assert theirs.facts["scored_by"].startswith("evidently 0.7")
    assert "evidently" not in ours.reports
    assert b"<html" in gzip.decompress(theirs.reports["evidently"])[:2000].lower()
    assert theirs.metrics == pytest.approx(ours.metrics, abs=1e-9)
