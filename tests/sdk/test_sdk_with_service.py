"""The SDK against a real embedded service, which the SDK itself starts."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pydantic
import pytest

from optaic.mlops import AsyncClient, Client, Refused, pipeline, registry, tracking
from optaic.mlops.base import BaseModel
from optaic.mlops.client import use_client
from optaic.mlops.data import DatasetRef, load_dataset, write_dataset
from optaic.mlops.service import PROGRAM_SETTING, ServiceNotFound, running_url, service_url
from tests.execution.definition_packages import LINEAR, TOML, packed
from tests.execution.work_desk import AS_OF, prices

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).with_name("optaic-mlops")
DECLARATION = {"columns": [{"name": "close", "type": "float64"}]}


@dataclass(frozen=True)
class Desk:
    """A service with one instance that has a trained, promoted version."""

    client: Client
    data: Path
    first: dict[str, object]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    data = tmp_path_factory.mktemp("service") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPTAIC_MLOPS_URL", raising=False)
        patch.setenv(PROGRAM_SETTING, str(PROGRAM))
        client = Client(data=data)
    pid = json.loads((data / "service.json").read_text())["pid"]
    use_client(client)
    try:
        yield Desk(client, data, prepared(client, tmp_path_factory.mktemp("package")))
    finally:
        use_client(None)
        client.close()
        os.kill(pid, signal.SIGTERM)


def prepared(client: Client, folder: Path) -> dict[str, object]:
    client.create_dataset("us-prices", DECLARATION)
    assert write_dataset("us-prices", prices(), backfill=True) == DatasetRef("us-prices", 1)
    submitted = client.submit_definition(packed(folder), wait=60)
    assert submitted["definition"]["state"] == "passed"
    client.create_model_instance(
        "steady-alpha",
        "steady@1.0.0",
        training_datasets=[{"dataset": "us-prices", "role": "prices"}],
        config={"horizon": 2},
    )
    run = pipeline.run_now("steady-alpha", as_of=datetime(2024, 3, 1, 22, tzinfo=UTC))
    assert run["state"] == "completed"
    registry.transition_stage("steady-alpha@1", "production", reason="first version")
    return run


def test_a_running_service_is_found_and_not_started_twice(desk: Desk) -> None:
    assert service_url(desk.data) == desk.client.url == running_url(desk.data)


def test_rows_come_back_as_the_world_knew_them(desk: Desk) -> None:
    known = load_dataset("us-prices", as_of=datetime(2024, 1, 10, 12, tzinfo=UTC))
    assert known["date"].max() == date(2024, 1, 9)
    chosen = load_dataset(
        DatasetRef("us-prices", 1), as_of=AS_OF, first=date(2024, 2, 1), last=date(2024, 2, 2), entities=["A"]
    )
    assert chosen.height == 2
    assert chosen.columns == ["entity", "date", "knowledge_date", "close"]


def test_writing_the_same_rows_again_makes_no_version(desk: Desk) -> None:
    assert write_dataset("us-prices", prices(), backfill=True) == DatasetRef("us-prices", 1)


def test_a_refusal_tells_its_code_and_what_to_do(desk: Desk) -> None:
    with pytest.raises(Refused) as refusal:
        load_dataset("us-prices", as_of="2024-01-10 12:00")
    assert refusal.value.code == "pit.naive_timestamp"
    assert refusal.value.remedy
    with pytest.raises(Refused) as refusal:
        desk.client.get_run("01920000-0000-7000-8000-000000000000")
    assert (refusal.value.status, refusal.value.code) == (404, "run.unknown")


def test_a_trained_model_is_loaded_with_its_definition_and_its_hash_is_checked(desk: Desk) -> None:
    loaded = registry.load_model("steady-alpha", stage="production")
    features = pl.DataFrame({"momentum_5": [0.01, 0.02], "momentum_1": [0.0, 0.1]})
    assert loaded.predict(features).shape == (2,)
    assert loaded.index.features == ("momentum_1", "momentum_5")
    for ref in ("models:/steady-alpha/1", "models:/steady-alpha/production", "steady-alpha@1"):
        assert registry.get_version(ref)["ref"] == "steady-alpha@1"


def test_an_inference_writes_predictions_that_can_be_read(desk: Desk) -> None:
    run = pipeline.run_now("steady-alpha", "inference", first=date(2024, 3, 4), last=date(2024, 3, 8))
    assert run["dataset_version"] is not None
    rows = load_dataset("steady-alpha-predictions")
    assert rows.height == 15
    assert rows["model_version"].unique().to_list() == [1]


def test_a_monitoring_measures_what_predictions_turned_out_to_be_worth(desk: Desk) -> None:
    pipeline.run_now("steady-alpha", "inference", first=date(2024, 3, 4), last=date(2024, 3, 8))
    run = pipeline.run_now("steady-alpha", "monitoring")
    counts = {name: run["facts"][name] for name in ("predictions", "realised", "dates")}
    assert counts == {"predictions": 15, "realised": 15, "dates": 5}
    assert {"corr", "rows", "performance.corr", "performance.corr.baseline"} <= set(run["metrics"])


def test_a_run_that_fails_is_an_error_with_its_code(desk: Desk) -> None:
    with pytest.raises(pipeline.RunNotCompleted) as failure:
        pipeline.run_now("steady-alpha", as_of=datetime(2024, 1, 2, 22, tzinfo=UTC))
    assert failure.value.code == "run.nothing_to_train"


def linear_model() -> BaseModel:
    space: dict[str, object] = {}
    exec(LINEAR.replace("#FIT", "pass"), space)
    model_class, params = space["Linear"], space["LinearParams"]
    assert isinstance(model_class, type)
    assert isinstance(params, type)
    assert issubclass(params, pydantic.BaseModel)
    model: BaseModel = model_class(params(), np.array([0.5, -0.5]))
    return model


def test_a_model_trained_here_is_registered_as_external_with_metrics_and_inputs(desk: Desk) -> None:
    with tracking.start_run(
        "steady-alpha", as_of=datetime(2024, 3, 1, 22, tzinfo=UTC), inputs={"prices": "us-prices@1"}
    ) as run:
        tracking.log_params({"trick": "by hand"})
        tracking.log_metrics({"loss": 0.3}, step=1)
        tracking.log_artifacts(Path(__file__), "notebook")
        version = registry.register_model(
            linear_model(), features=["momentum_1", "momentum_5"], metrics={"corr": 0.1}
        )
    assert version["external"] is True
    assert version["metrics"] == {"corr": 0.1}
    assert version["inputs"] == [{"dataset": "us-prices", "version": 1, "role": "prices"}]
    done = desk.client.get_run(run.run_id)
    assert done["facts"]["params"] == {"trick": "by hand"}
    assert set(done["facts"]["artifacts"]) == {"notebook"}
    points = desk.client.get_metrics_history(run.run_id)["items"]
    assert [(point["name"], point["step"], point["value"]) for point in points] == [("loss", 1, 0.3)]
    assert registry.get_latest_version("steady-alpha")["ref"] == version["ref"]
    assert registry.load_model(version["ref"]).predict(
        pl.DataFrame({"momentum_1": [1.0], "momentum_5": [0.0]})
    ) == [0.5]


def test_a_run_begun_here_that_registers_nothing_has_failed(desk: Desk) -> None:
    with tracking.start_run("steady-alpha") as run:
        pass
    assert desk.client.get_run(run.run_id)["state"] == "failed"
    with pytest.raises(ZeroDivisionError), tracking.start_run("steady-alpha") as run:
        _ = 1 / 0
    assert desk.client.get_run(run.run_id)["error"]["code"] == "run.crashed"
    with pytest.raises(tracking.NoActiveRun):
        tracking.log_metrics({"loss": 0.1})


def test_stages_move_with_a_reason_and_roll_back(desk: Desk) -> None:
    run = pipeline.run_now("steady-alpha", as_of=datetime(2024, 3, 4, 22, tzinfo=UTC))
    ref = f"steady-alpha@{run['model_version']}"
    promoted = registry.get_version("steady-alpha")["ref"]
    registry.transition_stage(ref, "production", reason="retrained")
    assert registry.get_version("steady-alpha")["ref"] == ref
    registry.rollback("steady-alpha", reason="rehearsal")
    assert registry.get_version("steady-alpha")["ref"] == promoted
    with pytest.raises(Refused) as refusal:
        registry.transition_stage(ref, "archived", reason="")
    assert refusal.value.code == "reason.missing"
    with pytest.raises(ValueError, match="none of"):
        registry.transition_stage(ref, "gone", reason="x")


def test_the_asynchronous_client_has_the_same_calls(desk: Desk) -> None:
    async def look() -> tuple[str, bytes]:
        async with AsyncClient(desk.client.url) as client:
            one, artifact = await asyncio.gather(
                client.get_version("steady-alpha@1"), client.download_artifact("steady-alpha@1")
            )
            return one["ref"], artifact

    ref, artifact = asyncio.run(look())
    assert ref == "steady-alpha@1"
    assert artifact == desk.client.download_artifact("steady-alpha@1")


def test_the_flow_of_the_page_runs_and_is_one_workflow(desk: Desk) -> None:
    page = (ROOT / "docs" / "sdk.md").read_text("utf-8").partition("## optaic.mlops.pipeline")[2]
    (example,) = re.findall("```python\n(from datetime .*?)```", page, re.DOTALL)
    shown: dict[str, object] = {}
    exec(example.replace("spx-alpha", "steady-alpha"), shown)
    workflow = desk.client.get_workflow(str(shown["workflow"]))
    assert (workflow["state"], workflow["counts"]) == ("completed", {"training completed": 1})
    number = workflow["runs"][0]["model_version"]
    told = desk.client.list_activity(correlation_id=workflow["correlation_id"], oldest_first=True)["items"]
    submitted, promoted = (
        next(one for one in told if one["action"] == action)
        for action in ("training_run.submitted", "model_version.promoted")
    )
    assert (promoted["payload"]["number"], promoted["reason"]) == (number, "weekly")
    assert (submitted["causation_id"], promoted["causation_id"]) == (None, submitted["command_id"])
    stand = desk.client.get_model_instance("steady-alpha")["specification"]["schedules"]
    assert [(one["kind"], one["cron"], one["after_dataset"]) for one in stand] == [
        ("training", "0 7 * * 6", None),
        ("monitoring", None, "steady-alpha-predictions"),
    ]
    pipeline.schedule("steady-alpha", "training", cron="0 7 * * 6", zone="America/New_York", beside=True)
    pipeline.unschedule("steady-alpha", "monitoring")
    (left,) = desk.client.get_model_instance("steady-alpha")["specification"]["schedules"]
    assert (left["kind"], left["timezone"]) == ("training", "America/New_York")
    with pytest.raises(Refused) as refusal:
        pipeline.schedule("steady-alpha", "training", cron="61 * * * *")
    assert refusal.value.code == "instance.cron_invalid"
    pipeline.unschedule("steady-alpha", "training")


def test_a_definition_that_fails_is_told_why(desk: Desk, tmp_path: Path) -> None:
    bad = {
        "definition.toml": TOML.replace("1.0.0", "1.0.1"),
        "tests/test_model.py": "def test_no():\n    assert 0\n",
    }
    answer = desk.client.submit_definition(packed(tmp_path / "bad", dict(bad)), wait=60)
    assert answer["definition"]["state"] == "failed"


def test_without_a_program_the_install_line_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPTAIC_MLOPS_URL", PROGRAM_SETTING):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceNotFound, match="pip install optaic-mlops-service"):
        service_url(tmp_path / "data")


def test_a_given_address_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTAIC_MLOPS_URL", "http://127.0.0.1:9999/")
    assert service_url() == "http://127.0.0.1:9999"
