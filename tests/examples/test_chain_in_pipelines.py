"""Combining and filtering in the service's pipelines, on predictions of other models, as by the oracle."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from optaic.mlops.pipelines.inference import infer
from optaic.mlops.pipelines.training import train
from optaic.mlops.runner.components import Components
from optaic.mlops.runner.connection import RunRefused
from tests.examples.definitions import load_definition
from tests.examples.in_memory_run import InMemoryRun
from tests.examples.test_examples_in_pipelines import described, pinned_model
from tests.examples.walk_forward import Frames, Judged

CLOSE_2022 = datetime(2022, 12, 28, 21, tzinfo=UTC)
CLOSE_2020 = datetime(2020, 12, 31, 21, tzinfo=UTC)
CONFIG = {"calendar": "XNYS", "feature_lag": 0, "horizon": 5, "max_age": 1}
BLEND_INPUTS = [{"role": role, "calendar": "XNYS"} for role in ("learned", "rules", "prices")]
PICKS_INPUTS = [{"role": role, "calendar": "XNYS"} for role in ("signals", "prices", "index")]


def as_stored(judged: Judged, market: Frames) -> pl.DataFrame:
    """Predictions as inference runs store them: known at the close, with what their model had seen."""
    closes = market["index"].select("date", "knowledge_date")
    seen = pl.DataFrame(
        [(block.first, block.trained_as_of) for block in judged.blocks],
        schema={"date": pl.Date, "trained_as_of": pl.Datetime("us", "UTC")},
        orient="row",
    )
    rows = judged.predictions.join(closes, on="date").sort("date", "entity")
    dated = rows.join_asof(seen.sort("date"), on="date", strategy="backward")
    values = [name for name in judged.predictions.columns if name not in ("date", "entity")]
    return dated.select("entity", "date", "knowledge_date", *values, "trained_as_of")


@pytest.fixture
def blend_frames(market: Frames, whole_signal: Judged, whole_rules: Judged) -> Frames:
    first = whole_signal.predictions["date"].min()
    rules = as_stored(whole_rules, market).filter(pl.col("date") >= first)
    return market | {"learned": as_stored(whole_signal, market), "rules": rules}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_combination_is_trained_by_the_pipelines_as_by_the_oracle(
    blend_frames: Frames, whole_blend: Judged
):
    run = InMemoryRun(blend_frames)
    components = Components(**vars(load_definition("nnls-combiner")))
    train(described("training", "nnls-combiner", CLOSE_2022, BLEND_INPUTS, config=CONFIG), components, run)
    judged = {name: value for name, value in run.metrics.items() if not name.startswith("weight.")}
    assert judged == pytest.approx(
        {name: value for name, value in whole_blend.metrics.items() if name in judged}, abs=1e-9
    )
    assert run.facts["folds"] == 14


def test_weights_are_not_fitted_on_what_a_model_says_of_its_own_training_rows(blend_frames: Frames):
    """The whole history predicted by the model of 2020: every row up to then is in-sample."""
    seen = pl.lit(CLOSE_2020, pl.Datetime("us", "UTC")).alias("trained_as_of")
    learned = blend_frames["learned"].with_columns(seen)
    run = InMemoryRun(blend_frames | {"learned": learned})
    components = Components(**vars(load_definition("nnls-combiner")))
    with pytest.raises(RunRefused) as refused:
        train(
            described("training", "nnls-combiner", CLOSE_2022, BLEND_INPUTS, config=CONFIG), components, run
        )
    assert refused.value.code == "pit.train_after_predict"
    in_sample = learned.filter(pl.col("knowledge_date") < CLOSE_2020).height
    assert f"{in_sample} of {learned.height} rows of learned" in str(refused.value)


def test_the_filter_predicts_in_the_pipelines_a_subset_of_what_it_was_given(
    market: Frames, whole_blend: Judged, whole_picks: Judged, tmp_path: Path
):
    frames = market | {"signals": as_stored(whole_blend, market)}
    components = Components(**vars(load_definition("ranker-filter")))
    told = {"config": CONFIG, "category": "signal_filtering"}
    training = InMemoryRun(frames)
    train(described("training", "ranker-filter", CLOSE_2020, PICKS_INPUTS, **told), components, training)
    assert training.facts["folds"] == 7
    assert training.metrics["kept_bps"] > training.metrics["rejected_bps"]

    inference = InMemoryRun(frames)
    asked = described(
        "inference",
        "ranker-filter",
        CLOSE_2022,
        PICKS_INPUTS,
        decisions={"first": date(2021, 1, 1), "last": date(2021, 12, 31)},
        model=pinned_model(training.artifact, CLOSE_2020),
        **told,
    )
    infer(asked, components, inference)
    assert inference.output is not None
    kept = inference.output.select("date", "entity", "signal")
    assert set(kept.group_by("date").len()["len"]) == {10}
    of_2021 = whole_picks.predictions.filter(pl.col("date").dt.year() == 2021)
    assert kept.equals(of_2021.sort("date", "entity"))
