"""Monitoring runs over the embedded service: data as it was trained on, then data that shifted."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from optaic.mlops import Client, monitoring, pipeline, registry
from optaic.mlops.client import use_client
from optaic.mlops.data import write_dataset
from optaic.mlops.service import PROGRAM_SETTING
from tests.execution.definition_packages import packed

PROGRAM = Path(sys.executable).with_name("optaic-mlops")
FIRST = date(2023, 1, 2)
ENTITIES = "ABCDEFGHIJ"
TRAINED, QUIET, DAYS = 120, 184, 248


def prices() -> pl.DataFrame:
    """A seeded walk whose daily steps have a spread of 1 % up to day 184, and of 4 % from then on."""
    draw = np.random.default_rng(8).normal(0, 0.01, size=(DAYS, len(ENTITIES)))
    draw[QUIET:] *= 4
    days = [FIRST + timedelta(days=n) for n in range(DAYS)]
    return pl.DataFrame(
        {
            "entity": [name for _ in days for name in ENTITIES],
            "date": [day for day in days for _ in ENTITIES],
            "knowledge_date": [datetime(day.year, day.month, day.day, 21) for day in days for _ in ENTITIES],
            "close": (100 * np.cumprod(1 + draw, axis=0)).flatten(),
        }
    ).with_columns(pl.col("knowledge_date").dt.replace_time_zone("UTC").cast(pl.Datetime("us", "UTC")))


@dataclass(frozen=True)
class Watched:
    """Two monitoring runs of one model version, before and after the data shifted."""

    client: Client
    steady: dict[str, Any]
    shifted: dict[str, Any]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    data = tmp_path_factory.mktemp("service") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPTAIC_MLOPS_URL", raising=False)
        patch.setenv(PROGRAM_SETTING, str(PROGRAM))
        client = Client(data=data)
    pid = json.loads((data / "service.json").read_text())["pid"]
    use_client(client)
    try:
        trained(client, tmp_path_factory.mktemp("package"))
        yield Watched(client, monitored(TRAINED + 1, QUIET), monitored(QUIET, DAYS))
    finally:
        use_client(None)
        client.close()
        os.kill(pid, signal.SIGTERM)


def trained(client: Client, package: Path) -> None:
    """A version that saw the quiet days only, in production."""
    assert client.submit_definition(packed(package), wait=60)["definition"]["state"] == "passed"
    client.create_dataset("us-prices", {"columns": [{"name": "close", "type": "float64"}]})
    write_dataset("us-prices", prices(), backfill=True)
    client.create_model_instance(
        "steady-alpha",
        "steady@1.0.0",
        training_datasets=[{"dataset": "us-prices", "role": "prices"}],
        config={"horizon": 2},
    )
    pipeline.run_now("steady-alpha", as_of=close_of(TRAINED))
    registry.transition_stage("steady-alpha@1", "production", reason="first version")


def monitored(first: int, end: int) -> dict[str, Any]:
    """Predict the days up to an end, then look back from there."""
    begin, last = (FIRST + timedelta(days=day) for day in (first, end - 1))
    pipeline.run_now("steady-alpha", "inference", first=begin, last=last)
    return pipeline.run_now("steady-alpha", "monitoring", as_of=close_of(end - 1))


def close_of(day: int) -> datetime:
    on = FIRST + timedelta(days=day)
    return datetime(on.year, on.month, on.day, 22, tzinfo=UTC)


def test_undisturbed_data_keeps_the_share_of_drifted_features_at_nothing(watched: Watched) -> None:
    assert watched.steady["state"] == "completed"
    assert watched.steady["metrics"]["drift.share"] == 0
    assert watched.steady["facts"]["drifted"] == []


def test_shifted_data_raises_the_share_of_drifted_features(watched: Watched) -> None:
    metrics = watched.shifted["metrics"]
    assert metrics["drift.share"] == 1
    assert metrics["drift.feature.momentum_1"] > 0.2 > watched.steady["metrics"]["drift.feature.momentum_1"]
    assert set(watched.shifted["facts"]["drifted"]) == {"momentum_1", "momentum_5"}


def test_the_metrics_bear_the_names_that_rules_and_views_use(watched: Watched) -> None:
    metrics = watched.shifted["metrics"]
    assert {
        "drift.prediction.signal",
        "quality.missing.momentum_1",
        "quality.infinite.momentum_1",
        "quality.duplicates",
        "freshness.sessions.prices",
        "coverage.entities",
        "performance.rank_ic",
        "performance.rank_ic.baseline",
        "performance.corr.degradation",
    } <= set(metrics)
    assert metrics["freshness.sessions.prices"] == 0
    assert metrics["coverage.entities"] == len(ENTITIES)
    told = watched.shifted["facts"]["distributions"]["momentum_1"]
    assert len(told["edges"]) - 1 == len(told["reference"]) == len(told["current"]) <= 20


def test_the_report_can_be_read_and_says_how_each_column_was_judged(watched: Watched) -> None:
    run = watched.shifted
    report = watched.client.get_run_report(run["id"])
    by_name = {one["column"]: one for one in report["drift"]["features"]}
    assert by_name["momentum_1"]["score"] == run["metrics"]["drift.feature.momentum_1"]
    assert (by_name["momentum_1"]["method"], by_name["momentum_1"]["threshold"]) == ("psi", 0.2)
    assert 0 < len(report["series"]) <= 400
    assert (report["instance"], report["run"]) == ("steady-alpha", run["id"])


def test_the_reference_of_the_version_serves_a_notebook(watched: Watched) -> None:
    reference = monitoring.reference_of("steady-alpha@1")
    assert reference is not None
    assert reference.baseline is not None
    steps = (
        prices()
        .sort("entity", "date")
        .with_columns(momentum_1=pl.col("close") / pl.col("close").shift(1).over("entity") - 1)
    )
    newest = steps.filter(pl.col("date") > FIRST + timedelta(days=QUIET + 9))
    report = monitoring.DataDriftMonitor(reference, columns=["momentum_1"]).run(newest)
    assert report.drifted == ("momentum_1",)
    suite = monitoring.TestSuite(
        monitoring.Check("drift.share", "le", 0.5), monitoring.Check("quality.duplicates", "le", 0)
    )
    judged = suite.run(watched.shifted["metrics"])
    assert [one.passed for one in judged.results] == [False, True]


def test_the_lineage_of_a_monitoring_is_what_it_judged_and_by_what(watched: Watched) -> None:
    run = f"monitoring_run:{watched.shifted['id']}"
    graph = watched.client.get_lineage(run, direction="up")
    assert {(one["source"], one["kind"]) for one in graph["edges"] if one["target"] == run} == {
        ("dataset_version:steady-alpha-predictions@2", "input"),
        ("dataset_version:us-prices@1", "outcome"),
        ("model_version:steady-alpha@1", "model"),
    }
