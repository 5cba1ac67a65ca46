"""What a monitoring pins to compute current features from, and what it hands in to be read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from domain.ml_module_def.manifest import InputRole, Manifest
from domain.model_instance.specification import DatasetBinding
from domain.run.commands import CompleteRun
from domain.run.events import RunSubmitted
from domain.shared.errors import RuleBroken
from infrastructure.execution.ending import Ending, failure_of
from infrastructure.execution.errors import RunDriftMethodUnknown
from infrastructure.execution.run_folder import RunFolder
from infrastructure.execution.session import FACTS_BYTES_MAX, REPORT_BYTES_MAX, RunSession
from infrastructure.execution.supervision import Supervision, Surroundings
from infrastructure.execution.watched_inputs import feature_roles
from infrastructure.execution.work import InputSource, RunWork
from infrastructure.guardrail_measures import ParquetMeasurer
from optaic.mlops.measures.comparing import ColumnDrift, Distribution
from optaic.mlops.measures.findings import Findings
from optaic.mlops.measures.naming import metric_names
from tests.execution.definition_packages import sha256
from tests.execution.work_desk import Desk as Stores
from tests.execution.work_desk import EveryDay
from tests.http.life import API, CSV, PRICES, living
from tests.support.desk import Desk, predictions
from tests.support.valid import NOW

NAME = "spx-alpha"


def bindings(*names: str) -> tuple[DatasetBinding, ...]:
    return tuple(DatasetBinding(dataset=f"us-{name}", role=name) for name in names)


def pinned(desk: Desk) -> list[tuple[str, str, str]]:
    submitted = cast("RunSubmitted", desk.run_state(desk.submit("monitoring")).submitted)
    return [(one.role, one.dataset, one.use) for one in submitted.inputs]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path) as one:
        yield one


def test_what_inference_reads_and_nothing_judges_by_is_watched(desk: Desk) -> None:
    desk.dataset("us-outcomes")
    desk.ready(outcome_dataset="us-outcomes")
    desk.promoted()
    desk.inferred(predictions(NOW))
    assert pinned(desk) == [
        ("predictions", "spx-alpha-predictions", "input"),
        ("prices", "us-prices", "watched"),
        ("outcomes", "us-outcomes", "outcome"),
    ]


def test_a_watched_input_does_not_take_the_name_of_another(desk: Desk) -> None:
    desk.dataset("us-live")
    live = (DatasetBinding(dataset="us-live", role="prices"),)
    desk.ready(inference_datasets=live)
    desk.promoted()
    desk.inferred(predictions(NOW))
    assert pinned(desk)[1:] == [
        ("prices", "us-prices", "outcome"),
        ("watched.prices", "us-live", "watched"),
    ]


def source(role: str, use: Any = "outcome", dataset: str = "") -> InputSource:
    return InputSource(dataset=dataset or role, version=1, role=role, use=use, manifest_sha256="0" * 64)


def work(*sources: InputSource, kind: str = "monitoring", declared: tuple[str, ...] = ("prices",)) -> RunWork:
    """A run's work, as far as the roles of its features are asked for."""
    inputs = tuple(InputRole(role=name, columns=("close",)) for name in declared)
    manifest = cast("Manifest", Told(inputs=inputs))
    run = cast("RunSubmitted", Told(kind=kind, output_dataset="alpha-predictions"))
    return RunWork(run=run, manifest=manifest, inputs=sources)


class Told(msgspec.Struct, kw_only=True):
    """The fields that are read."""

    kind: str = ""
    output_dataset: str = ""
    inputs: tuple[InputRole, ...] = ()


def test_features_are_computed_from_the_watched_input_where_there_are_two_of_a_name() -> None:
    own = source("predictions", "input", "alpha-predictions")
    both = work(own, source("prices"), source("watched.prices", "watched"))
    assert feature_roles(both) == {"prices": "watched.prices"}
    assert feature_roles(work(own, source("prices"), source("outcomes"))) == {"prices": "prices"}


def test_the_first_dataset_of_an_inference_is_the_first_of_its_monitoring() -> None:
    found = feature_roles(work(source("index"), source("prices"), declared=("prices", "index")))
    assert list(found) == ["index", "prices"]


def test_a_definition_that_declares_nothing_uses_all_and_other_kinds_watch_nothing() -> None:
    inputs = (source("prices"), source("watched.macro", "watched"))
    assert feature_roles(work(*inputs, declared=())) == {"prices": "prices", "macro": "watched.macro"}
    assert feature_roles(work(*inputs, kind="inference")) == {}


@pytest.fixture
def staging(tmp_path: Path) -> Supervision:
    """A run whose process is played by the test."""
    stores = Stores(tmp_path)
    run = stores.submit(1, stores.package("steady"))
    folder = RunFolder(tmp_path / "run")
    for place in (folder.work, folder.staged, folder.inputs):
        place.mkdir(parents=True)
    around = Surroundings(
        source=stores,
        artifacts=stores.artifacts,
        datasets=stores.datasets,
        sessions=EveryDay(),
        measurer=ParquetMeasurer(),
    )
    return Supervision(stores.works[run], folder, around)


def told(session: RunSession, call: str, **arguments: Any) -> Any:
    return session.answer({"call": call, "arguments": arguments})


def test_a_report_is_stored_and_named_by_the_executor_not_by_the_run(staging: Supervision) -> None:
    page = staging.folder.work / "report.json"
    page.write_text("{}")
    assert told(staging.session, "stage_report", path=str(page), name="report") == {"value": {}}
    forged = {"report_sha256": "0" * 64, "evidently_sha256": "1" * 64, "rows": 3}
    told(staging.session, "complete", metrics={}, facts=forged)
    page.write_text("changed afterwards")
    done: CompleteRun = staging.result(None)
    assert set(done.facts) == {"rows", "report_sha256"}
    assert done.facts["report_sha256"] == sha256(b"{}")


@pytest.mark.parametrize("wrong", ["outside", "missing", "a folder", "too large", "another name"])
def test_a_report_that_is_no_small_file_of_the_run_is_refused(staging: Supervision, wrong: str) -> None:
    path, name = staging.folder.work / "page", "report"
    if wrong == "outside":
        path = staging.folder.root / "page"
        path.write_text("x")
    elif wrong == "a folder":
        path.mkdir()
    elif wrong == "too large":
        with path.open("wb") as file:
            file.truncate(REPORT_BYTES_MAX + 1)
    elif wrong == "another name":
        path.write_text("x")
        name = "../output.parquet"
    code = told(staging.session, "stage_report", path=str(path), name=name)["error"]["code"]
    assert code == ("run.call_malformed" if wrong == "another name" else "run.output_malformed")
    assert staging.session.reports == {}


def test_an_unknown_way_of_measuring_drift_fails_the_run_by_that_name() -> None:
    told_code = ("run.drift_method_unknown", "x: 'entropy' is none of psi, wasserstein, ks")
    broken = failure_of(Ending(1, None, told_code, has_results=False, last_lines=""))
    assert isinstance(broken, RunDriftMethodUnknown)
    assert isinstance(broken, RuleBroken)


def test_the_facts_of_a_thousand_features_stay_small_and_say_what_was_left_out() -> None:
    names = [f"a rather long feature name {number:04d}" for number in range(1000)]
    bins = Distribution(tuple(range(19)), (), tuple([100_000] * 18), tuple([90_000] * 18))
    findings = Findings(
        features=[ColumnDrift(name, "psi", 0.2, float(number), 100) for number, name in enumerate(names)],
        distributions=dict.fromkeys(names, bins),
        not_measured=dict.fromkeys(names, "a reason of some length, told for each of them"),
    )
    facts = findings.told()
    assert len(json.dumps(facts)) < FACTS_BYTES_MAX
    assert names[-1] in facts["distributions"]
    assert facts["distributions_left_out"] == 1000 - len(facts["distributions"])
    assert len(findings.metrics()) < 700
    assert f"drift.feature.{names[-1].replace(' ', '_')}" in findings.metrics()


def test_columns_whose_names_would_be_equal_as_metrics_are_numbered() -> None:
    assert metric_names("drift.feature", ["a b", "a_b", "a-b"]) == {
        "a b": "drift.feature.a_b",
        "a_b": "drift.feature.a_b.2",
        "a-b": "drift.feature.a-b",
    }
    assert all(len(one) <= 128 for one in metric_names("x", ["n" * 300, "n" * 301]).values())


def test_what_is_only_watched_is_no_part_of_the_lineage(tmp_path: Path) -> None:
    with living(tmp_path / "data") as life:
        life.dataset()
        life.prices()
        life.definition()
        declared = {"columns": [{"name": "close", "type": "float64"}]}
        life.post("/datasets", {"name": "us-outcomes", "declaration": declared}, 201)
        sent = life.client.post(f"{API}/datasets/us-outcomes/versions", content=PRICES.encode(), headers=CSV)
        assert sent.status_code == 201
        life.instance(outcome_dataset="us-outcomes")
        life.promoted()
        life.inferred()
        run = f"monitoring_run:{life.submit(kind='monitoring', as_of='2024-03-11T22:00:00Z')}"
        edges = life.get(f"/lineage/{run}", after=life.head(), direction="up")["edges"]
    assert {one["kind"]: one["source"] for one in edges if one["target"] == run} == {
        "input": "dataset_version:spx-alpha-predictions@1",
        "outcome": "dataset_version:us-outcomes@1",
        "model": "model_version:spx-alpha@1",
    }
