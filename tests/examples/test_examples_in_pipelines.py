"""The service's pipelines on the example definitions and real data, against the independent walk-forward."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from optaic.mlops.pipelines.inference import infer
from optaic.mlops.pipelines.monitoring import monitor
from optaic.mlops.pipelines.training import train
from optaic.mlops.runner.components import Components
from optaic.mlops.runner.description import RunDescription
from tests.examples.definitions import load_definition
from tests.examples.in_memory_run import InMemoryRun
from tests.examples.walk_forward import Frames, judge, known

CLOSE_2020 = datetime(2020, 12, 31, 21, tzinfo=UTC)
END_OF_1999 = datetime(1999, 12, 31, tzinfo=UTC)
RELEASE_2009 = datetime(2009, 10, 30, 12, 30, tzinfo=UTC)


def described(kind: str, package: str, as_of: datetime, inputs: list[dict[str, Any]], **more: Any):
    """A run's description as its executor would hand it in."""
    told = {
        "run_id": "r",
        "kind": kind,
        "instance": package,
        "definition": f"{package}@1.0.0",
        "category": "-",
    }
    pinned = [{"dataset": item["role"], "version": 1} | item for item in inputs]
    rest = {"entry_points": {"model": "-"}, "package_folder": ".", "output_dataset": "predictions"}
    return RunDescription.model_validate(told | rest | {"as_of": as_of, "inputs": pinned} | more)


def pinned_model(folder: Path | None, trained_as_of: datetime) -> dict[str, Any]:
    assert folder is not None
    return {"number": 1, "trained_as_of": trained_as_of, "folder": str(folder)}


SIGNAL_INPUTS = [{"role": "prices", "calendar": "XNYS"}, {"role": "index", "calendar": "XNYS"}]
SIGNAL_CONFIG = {"calendar": "XNYS", "feature_lag": 1, "horizon": 5}
REGIME_INPUTS = [{"role": "macro"}, {"role": "outcomes", "use": "outcome"}]
REGIME_CONFIG = {"feature_lag": 0, "horizon": 0}


def test_the_signal_lives_its_life_in_the_pipelines(market: Frames, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    definition = load_definition("xgb-signal")
    components = Components(**vars(definition))
    expected = judge(definition, known(market, CLOSE_2020), clock="prices", horizon=5, lag=1)

    training = InMemoryRun(market)
    train(
        described("training", "xgb-signal", CLOSE_2020, SIGNAL_INPUTS, config=SIGNAL_CONFIG),
        components,
        training,
    )
    assert training.metrics == pytest.approx(expected.metrics, abs=1e-9)
    assert training.facts["last_trainable"] == "2020-12-23"
    assert training.facts["rows"] == 30_200

    inference = InMemoryRun(market)
    year = {"first": date(2021, 1, 1), "last": date(2021, 12, 31)}
    model = pinned_model(training.artifact, CLOSE_2020)
    as_of = datetime(2022, 1, 3, tzinfo=UTC)
    asked = described(
        "inference", "xgb-signal", as_of, SIGNAL_INPUTS, config=SIGNAL_CONFIG, decisions=year, model=model
    )
    infer(asked, components, inference)
    output = inference.output
    assert output is not None
    later = judge(definition, known(market, as_of), clock="prices", horizon=5, lag=1)
    of_2021 = later.predictions.filter(pl.col("date").dt.year() == 2021)
    assert output.select("date", "entity", "signal").equals(of_2021)
    assert output["date"].n_unique() == 50

    monitoring = InMemoryRun(market | {"predictions": output})
    truth = [item | {"use": "outcome"} for item in SIGNAL_INPUTS]
    judged = described(
        "monitoring",
        "xgb-signal",
        as_of,
        [{"role": "predictions"}, *truth],
        config=SIGNAL_CONFIG,
        model=model,
    )
    monitor(judged, components, monitoring)
    assert monitoring.facts["realised"] == 49 * 20
    assert -0.3 < monitoring.metrics["rank_ic"] < 0.3


def test_the_regimes_are_trained_by_the_pipelines_as_by_the_oracle(
    economy: Frames, tmp_path: Path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    definition = load_definition("gmm-regime")
    components = Components(**vars(definition))
    expected = judge(definition, economy, clock="macro", horizon=0, lag=0)

    training = InMemoryRun(economy)
    train(
        described("training", "gmm-regime", RELEASE_2009, REGIME_INPUTS, config=REGIME_CONFIG),
        components,
        training,
    )
    assert training.facts["folds"] == 31
    assert training.metrics["quarters"] == 122
    assert training.metrics["auc"] == pytest.approx(expected.metrics["auc"], abs=1e-9)
    assert training.metrics["train_log_likelihood"] == pytest.approx(-2.35, abs=0.02)


def test_regimes_of_the_two_thousands_are_predicted_by_a_model_of_the_nineties(
    economy: Frames, tmp_path: Path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    components = Components(**vars(load_definition("gmm-regime")))
    training = InMemoryRun(economy)
    train(
        described("training", "gmm-regime", END_OF_1999, REGIME_INPUTS, config=REGIME_CONFIG),
        components,
        training,
    )
    assert training.facts["last_trainable"] == "1999-09-30"

    inference = InMemoryRun(economy)
    decade = {"first": date(1999, 10, 1), "last": date(2009, 9, 30)}
    model = pinned_model(training.artifact, END_OF_1999)
    asked = described(
        "inference",
        "gmm-regime",
        RELEASE_2009,
        REGIME_INPUTS[:1],
        config=REGIME_CONFIG,
        decisions=decade,
        model=model,
    )
    infer(asked, components, inference)
    output = inference.output
    assert output is not None
    assert output.height == 40
    assert set(output["regime"]) == {"expansion", "recession"}

    monitoring = InMemoryRun({"predictions": output, "outcomes": economy["outcomes"]})
    judged = described(
        "monitoring",
        "gmm-regime",
        RELEASE_2009,
        [{"role": "predictions"}, REGIME_INPUTS[1]],
        config=REGIME_CONFIG,
        model=model,
    )
    monitor(judged, components, monitoring)
    assert monitoring.facts["realised"] == 40
    assert monitoring.metrics["auc"] > 0.9


def test_equal_inputs_give_an_equal_model_file(economy: Frames, tmp_path: Path, monkeypatch):
    files = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        run = InMemoryRun(economy)
        components = Components(**vars(load_definition("gmm-regime")))
        train(
            described("training", "gmm-regime", RELEASE_2009, REGIME_INPUTS, config=REGIME_CONFIG),
            components,
            run,
        )
        assert run.artifact is not None
        files.append({path.name: path.read_bytes() for path in run.artifact.rglob("*.json")})
    assert files[0] == files[1]
    assert set(files[0]) == {"model.json", "mixture.json", "reference.json"}
