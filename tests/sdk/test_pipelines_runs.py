"""Training, inference and monitoring on rows in memory: what is fitted on what, and what is refused."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from optaic.mlops.base import Evaluation, Frames, WalkForward
from optaic.mlops.pipelines.grid import make_grid
from optaic.mlops.pipelines.inference import infer
from optaic.mlops.pipelines.knowledge import Inputs
from optaic.mlops.pipelines.monitoring import monitor
from optaic.mlops.pipelines.training import train
from optaic.mlops.runner.connection import RunRefused
from tests.sdk.sample_definition import (
    COMPONENTS,
    START,
    Evaluator,
    Forward,
    MeanModel,
    MemoryExecutor,
    Trainer,
    at,
    described,
    revisions,
    walk,
)

DAYS = 40


class Recording(MeanModel):
    """Remembers the newest date of each fit."""

    fits: list[tuple[date, date, int]]

    def fit(self, features: pl.DataFrame, target: pl.Series, dates: pl.Series) -> None:
        Recording.fits.append((dates.to_list()[0], dates.to_list()[-1], features.height))
        super().fit(features, target, dates)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Recording.fits = []


def trained(histories: dict[str, pl.DataFrame] | None = None, **config: Any) -> MemoryExecutor:
    executor = MemoryExecutor(histories or {"prices": revisions(walk(DAYS))})
    description = described("training", at(DAYS - 0.05), tuple(executor.histories), config=config)
    components = COMPONENTS.__class__(**{**COMPONENTS.__dict__, "model": Recording})
    train(description, components, executor)
    return executor


def day(number: int) -> date:
    return START + timedelta(days=number)


def test_each_fold_is_fitted_on_labels_known_at_the_last_session_before_it() -> None:
    horizon = 3
    trained(horizon=horizon)
    final, *folds = Recording.fits
    assert final[1] == day(DAYS - 1 - horizon)
    for number, (_, last, _) in enumerate(folds):
        block_begins = 10 + 5 * number
        assert last == day(block_begins - 1 - horizon)


def test_a_window_bounds_the_rows_of_folds_and_of_the_final_fit() -> None:
    trained(horizon=1, train_window=8)
    final, *folds = Recording.fits
    assert final[0] == day(DAYS - 8)
    assert all(first >= day(10 + 5 * number - 8) for number, (first, _, _) in enumerate(folds))


def test_facts_tell_the_last_usable_day_and_what_was_left_out() -> None:
    facts = trained(horizon=3).facts
    assert facts["last_trainable"] == day(DAYS - 4).isoformat()
    assert facts["rows_without_label"] == 3 * 2
    assert facts["folds"] == 6
    assert facts["knowledge_epochs"] == 1


def test_metrics_come_over_all_folds_and_by_step() -> None:
    executor = trained(horizon=1)
    assert set(executor.metrics) == {"error", "rows"}
    steps = [step for name, step, _ in executor.points if name == "rows"]
    assert steps == list(range(6))
    assert sum(value for name, _, value in executor.points if name == "rows") == executor.metrics["rows"]


def test_a_definition_without_walk_forward_has_no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "walk_forward", None)
    assert trained().metrics == {}
    monkeypatch.setattr(Trainer, "walk_forward", WalkForward(first_test=1000))
    assert trained_again().metrics == {}


def trained_again() -> MemoryExecutor:
    for path in Path("artifact").rglob("*"):
        if path.is_file():
            path.unlink()
    Path("artifact/model").rmdir()
    return trained()


def test_only_the_columns_of_the_config_are_features() -> None:
    assert trained(feature_cols=("sum",)).facts["features"] == 1
    with pytest.raises(RunRefused, match="no column 'other'"):
        trained(feature_cols=("other",))


def test_a_target_column_of_the_instance_replaces_the_definition_s_target() -> None:
    executor = trained(target_col="close", horizon=2)
    assert executor.facts["last_trainable"] == day(DAYS - 3).isoformat()
    with pytest.raises(RunRefused, match=r"run\.target_unknown"):
        trained(target_col="volume")


def test_nothing_known_is_nothing_to_train() -> None:
    with pytest.raises(RunRefused, match=r"run\.nothing_to_train"):
        trained(horizon=DAYS)


def test_no_decision_is_nothing_to_train_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "first_decision", 1000)
    with pytest.raises(RunRefused, match="decides on no session"):
        trained()


def test_a_lag_beyond_the_history_leaves_nothing_to_train() -> None:
    with pytest.raises(RunRefused, match=r"run\.nothing_to_train"):
        trained(feature_lag=DAYS + 5)


def test_values_too_old_are_missing_and_rows_of_nothing_are_left_out() -> None:
    rows = [row for row in walk(DAYS) if not (row[0] == "B" and row[1] > 20)]
    facts = trained({"prices": revisions(rows)}, max_age=3, horizon=1).facts
    assert facts["rows_without_label"] == 5  # B on days 20 to 23, A on the last day


def test_a_decision_time_moves_decisions_and_what_they_know() -> None:
    executor = MemoryExecutor({"prices": revisions(walk(5, known_hour=12.0))})
    description = described("training", at(4.9), config={"decision_time": "10:00 America/New_York"})
    grid = make_grid(description, Inputs(executor, description), executor, Trainer())
    assert grid.decisions["moment"][0] == at(15 / 24)
    assert grid.decisions.height == 5


def test_predictions_are_those_of_the_decisions_asked_for_and_carry_their_origin(tmp_path: Path) -> None:
    trained(horizon=1)
    executor = MemoryExecutor({"prices": revisions(walk(DAYS))})
    model = {"number": 4, "trained_as_of": at(20.9), "folder": str(tmp_path / "artifact")}
    asked = {"first": day(25), "last": day(27)}
    infer(described("inference", at(DAYS), model=model, decisions=asked), COMPONENTS, executor)
    assert executor.output is not None
    assert executor.output["date"].unique().sort().to_list() == [day(25), day(26), day(27)]
    assert executor.output["model_version"].unique().to_list() == [4]
    assert executor.output["trained_as_of"].unique().to_list() == [at(20.9)]
    assert (executor.output["trained_as_of"] <= executor.output["knowledge_date"]).all()


def test_later_rows_never_change_a_prediction(tmp_path: Path) -> None:
    trained(horizon=1)
    outputs: list[pl.DataFrame] = []
    rows = walk(DAYS)
    for known in (
        rows,
        [*rows, *((name, number, DAYS + 0.5, 7.0) for name in "AB" for number in range(DAYS))],
    ):
        executor = MemoryExecutor({"prices": revisions(known)})
        model = {"number": 1, "trained_as_of": at(20.9), "folder": str(tmp_path / "artifact")}
        asked = {"first": day(25), "last": day(30)}
        infer(described("inference", at(DAYS + 1), model=model, decisions=asked), COMPONENTS, executor)
        assert executor.output is not None
        outputs.append(executor.output)
    assert outputs[0].equals(outputs[1])


def test_decisions_before_the_model_s_knowledge_are_refused(tmp_path: Path) -> None:
    trained(horizon=1)
    executor = MemoryExecutor({"prices": revisions(walk(DAYS))})
    model = {"number": 1, "trained_as_of": at(25.9), "folder": str(tmp_path / "artifact")}
    asked = {"first": day(25), "last": day(27)}
    with pytest.raises(RunRefused, match=r"pit\.model_from_future"):
        infer(described("inference", at(DAYS), model=model, decisions=asked), COMPONENTS, executor)
    asked = {"first": day(100), "last": day(101)}
    with pytest.raises(RunRefused, match=r"run\.decisions_invalid"):
        infer(described("inference", at(DAYS), model=model, decisions=asked), COMPONENTS, executor)


def test_monitoring_judges_only_predictions_whose_outcome_is_known() -> None:
    predictions = revisions(
        [(name, number, number + 0.9, 0.01) for name in "AB" for number in (30, 38)], "signal"
    )
    executor = MemoryExecutor({"predictions": predictions, "prices": revisions(walk(DAYS))})
    description = described(
        "monitoring", at(DAYS - 0.05), ("predictions", "prices"), prices="outcome", config={"horizon": 3}
    )
    description = description.model_copy(update={"output_dataset": "d-predictions"})
    monitor(description, COMPONENTS, executor)
    counts = {name: executor.facts[name] for name in ("predictions", "realised", "dates")}
    assert counts == {"predictions": 4, "realised": 2, "dates": 1}
    assert executor.metrics["rows"] == 2.0


class Shapeless(Forward):
    """Forgets the outcome."""

    def compute(self, frames: Frames, horizon: int) -> pl.DataFrame:
        return super().compute(frames, horizon).drop("outcome")


class Doubled(Forward):
    """Says everything twice."""

    def compute(self, frames: Frames, horizon: int) -> pl.DataFrame:
        return pl.concat([super().compute(frames, horizon)] * 2)


class Undefined(Evaluator):
    """Divides by nothing."""

    def evaluate(self, evaluation: Evaluation) -> dict[str, float]:
        return {"ratio": float("nan")}


def trained_with(**parts: Any) -> None:
    description = described("training", at(DAYS - 0.05), ("prices",), config={})
    components = COMPONENTS.__class__(**{**COMPONENTS.__dict__, **parts})
    train(description, components, MemoryExecutor({"prices": revisions(walk(DAYS))}))


@pytest.mark.parametrize("target", [Shapeless, Doubled])
def test_a_target_of_the_wrong_shape_is_refused(target: type[Forward]) -> None:
    with pytest.raises(RunRefused, match="the target has") as refused:
        trained_with(target=target)
    assert refused.value.code == "run.target_malformed"


def test_a_metric_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(RunRefused, match="ratio = nan") as refused:
        trained_with(evaluator=Undefined)
    assert refused.value.code == "run.metric_not_finite"
