"""Predictions as inputs: those of a model that had seen their date are refused; filters take today's."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optaic.mlops.bases import FilterPredictor, Payoff, SignalInputs
from optaic.mlops.pipelines.inference import infer
from optaic.mlops.pipelines.training import train
from optaic.mlops.runner.components import Components
from optaic.mlops.runner.connection import RunRefused
from tests.sdk.sample_definition import (
    COMPONENTS,
    START,
    MemoryExecutor,
    at,
    described,
    revisions,
    walk,
)

DAYS = 40
MOMENT = pl.Datetime("us", "UTC")


class Signals(SignalInputs):
    """The signal of one input."""

    roles: ClassVar = ("signals",)


class Paid(Payoff):
    """What following the signal of `prices` paid."""


class KeepOne(FilterPredictor, keep=1):
    """The better one of a date."""

    column = "signals"


COMBINING = Components(**{**COMPONENTS.__dict__, "features": Signals})
FILTER = Components(**{**COMBINING.__dict__, "target": Paid, "predictor": KeepOne})


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def predictions(trained_as_of: Any, days: int = DAYS) -> pl.DataFrame:
    """Signals of both entities on every day, known at the close, with what each model had seen."""
    draw = np.random.default_rng(8)
    values = draw.uniform(-1, 1, days * 2)
    rows = [
        (name, day, day + 0.875, float(values[2 * day + n]))
        for day in range(days)
        for n, name in enumerate("AB")
    ]
    told = revisions(rows, "signal")
    trained = [trained_as_of((row - START).days) for row in told["date"]]
    return told.with_columns(pl.Series("trained_as_of", trained, dtype=MOMENT))


def executor(signals: pl.DataFrame) -> MemoryExecutor:
    return MemoryExecutor({"signals": signals, "prices": revisions(walk(DAYS))})


def trained(signals: pl.DataFrame, components: Components = COMBINING, **changes: Any) -> MemoryExecutor:
    told = executor(signals)
    config = {"feature_lag": 0} | changes.pop("config", {})
    train(
        described("training", at(DAYS - 0.05), ("signals", "prices"), config=config, **changes),
        components,
        told,
    )
    return told


def test_predictions_of_models_that_had_not_seen_their_date_are_features() -> None:
    assert trained(predictions(at)).facts["rows"] == 2 * (DAYS - 1)


def test_a_model_trained_at_the_very_moment_of_the_decision_had_not_seen_what_came() -> None:
    assert trained(predictions(lambda day: at(day + 0.875))).facts["rows"] == 2 * (DAYS - 1)


def test_in_sample_predictions_are_refused_with_the_first_of_them() -> None:
    with pytest.raises(RunRefused) as refused:
        trained(predictions(lambda day: at(20)))
    assert refused.value.code == "pit.train_after_predict"
    assert "40 of 80 rows of signals are predictions of models that had seen" in str(refused.value)
    assert f"the first of {START}" in str(refused.value)


def test_one_row_in_sample_is_enough() -> None:
    with pytest.raises(RunRefused, match=f"2 of 80 rows .* the first of {START + timedelta(days=17)}"):
        trained(predictions(lambda day: at(day + (1 if day == 17 else 0))))


def test_a_row_that_does_not_say_when_its_model_was_trained_counts_as_in_sample() -> None:
    with pytest.raises(RunRefused, match=r"pit\.train_after_predict"):
        trained(predictions(lambda day: None if day == 3 else at(day)))


@pytest.mark.parametrize("column", [pl.lit(20240101), pl.lit("2024-01-01"), pl.lit(datetime(2020, 1, 1))])
def test_an_origin_that_is_no_moment_says_nothing(column: pl.Expr) -> None:
    signals = predictions(at).with_columns(column.alias("trained_as_of"))
    with pytest.raises(RunRefused, match=r"80 of 80 rows"):
        trained(signals)


def test_a_row_that_came_after_its_decision_is_judged_by_the_decision() -> None:
    """Written late, so known late: a model trained in between had seen the date all the same."""
    late = predictions(lambda day: at(day + 2)).with_columns(pl.col("knowledge_date") + timedelta(days=3))
    with pytest.raises(RunRefused, match=r"pit\.train_after_predict"):
        trained(late)


def test_a_removed_prediction_is_not_looked_at() -> None:
    signals = predictions(at)
    first = signals["date"] == START
    removed = signals.filter(first).with_columns(
        knowledge_date=pl.lit(at(3), MOMENT),
        seq=pl.lit(1000, pl.Int64),
        op=pl.lit("D"),
        trained_as_of=pl.lit(None, MOMENT),
    )
    assert trained(pl.concat([signals, removed])).facts["rows"] > 0


def test_data_that_are_no_predictions_need_no_origin() -> None:
    assert trained(predictions(at).drop("trained_as_of")).facts["rows"] == 2 * (DAYS - 1)


def test_an_inference_refuses_in_sample_inputs_too(tmp_path: Path) -> None:
    trained(predictions(at))
    model = {"number": 1, "trained_as_of": at(25), "folder": str(tmp_path / "artifact")}
    asked = {"first": START + timedelta(days=26), "last": START + timedelta(days=30)}
    description = described(
        "inference", at(DAYS), ("signals",), model=model, decisions=asked, config={"feature_lag": 0}
    )
    with pytest.raises(RunRefused, match=r"pit\.train_after_predict"):
        infer(description, COMBINING, executor(predictions(lambda day: at(28))))


@given(st.lists(st.floats(-3, 3), min_size=DAYS, max_size=DAYS))
def test_a_run_goes_on_exactly_if_no_model_had_seen_its_date(
    tmp_path_factory: Any, offsets: list[float]
) -> None:
    signals = predictions(lambda day: at(day + 0.875 + offsets[day]))
    seen = (signals["trained_as_of"] > signals["knowledge_date"]).sum()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("run"))
        if not seen:
            assert trained(signals).facts["rows"] > 0
            return
        with pytest.raises(RunRefused, match=f" {seen} of 80 ") as refused:
            trained(signals)
    assert refused.value.code == "pit.train_after_predict"


def test_a_filter_needs_the_values_of_its_decision() -> None:
    with pytest.raises(RunRefused, match="needs feature_lag 0") as refused:
        trained(predictions(at), FILTER, category="signal_filtering", config={"feature_lag": 1})
    assert refused.value.code == "run.features_malformed"


def test_a_filter_never_hands_on_an_older_signal(tmp_path: Path) -> None:
    """On a day without signals there is nothing to choose from, whatever was there the day before."""
    signals = predictions(at)
    gap = START + timedelta(days=27)
    trained(signals, FILTER, category="signal_filtering")
    model = {"number": 1, "trained_as_of": at(25), "folder": str(tmp_path / "artifact")}
    asked = {"first": START + timedelta(days=26), "last": START + timedelta(days=28)}
    told = executor(signals.filter(pl.col("date") != gap))
    description = described(
        "inference",
        at(DAYS),
        ("signals",),
        model=model,
        decisions=asked,
        category="signal_filtering",
        config={"feature_lag": 0},
    )
    infer(description, FILTER, told)
    assert told.output is not None
    kept: list[date] = told.output["date"].to_list()
    assert kept == [asked["first"], asked["last"]]
    joined = told.output.join(signals, on=["date", "entity"])
    assert joined["signal"].equals(joined["signal_right"], check_names=False)
