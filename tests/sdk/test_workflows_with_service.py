"""Backfill, restart in the middle, reproduction: the SDK against real services and real processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from optaic.mlops import Client, pipeline
from optaic.mlops.client import use_client
from optaic.mlops.data import write_dataset
from optaic.mlops.service import PROGRAM_SETTING
from tests.execution.definition_packages import packed, with_fit
from tests.execution.work_desk import prices
from tests.support.processes import wait_until

PROGRAM = Path(sys.executable).with_name("optaic-mlops")
AS_OF = datetime(2024, 3, 1, 22, tzinfo=UTC)
FIRST, LAST = date(2024, 2, 5), date(2024, 3, 20)
CHANCE = """
import os
if "OPTAIC_MLOPS_RUN_SOCKET" in os.environ:
    features = features + 1e-3 * float.fromhex("0x" + os.urandom(4).hex()) / 2**32
"""
"""Steady where it is evaluated, another model in each run."""


@contextmanager
def running(data: Path) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPTAIC_MLOPS_URL", raising=False)
        patch.setenv(PROGRAM_SETTING, str(PROGRAM))
        client = Client(data=data)
        use_client(client)
        try:
            yield client
        finally:
            use_client(None)
            client.close()
            kill(data, signal.SIGTERM)


def kill(data: Path, number: signal.Signals) -> None:
    record = data / "service.json"
    pid = json.loads(record.read_text())["pid"] if record.exists() else None
    if pid is not None and Path(f"/proc/{pid}").exists():
        os.kill(pid, number)
        wait_until(lambda: not _lives(pid), "the service ends")


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def prepared(client: Client, folder: Path, changes: dict[str, str | None] | None = None) -> None:
    client.create_dataset("us-prices", {"columns": [{"name": "close", "type": "float64"}]})
    write_dataset("us-prices", prices(), backfill=True)
    assert client.submit_definition(packed(folder, changes), wait=60)["definition"]["state"] == "passed"
    client.create_model_instance(
        "steady-alpha",
        "steady@1.0.0",
        training_datasets=[{"dataset": "us-prices", "role": "prices"}],
        config={"horizon": 2},
    )


def test_a_backfill_with_refits_is_one_workflow_whose_lineage_reaches_every_version(tmp_path: Path) -> None:
    with running(tmp_path / "data") as client:
        prepared(client, tmp_path / "package")
        done = pipeline.backfill("steady-alpha", FIRST, LAST, refit="1m")
        assert done["counts"] == {"training completed": 2, "inference completed": 2}
        versions = client.list_versions("steady-alpha")["items"]
        assert [one["refit"] for one in versions] == [True, True]
        assert [one["stage"] for one in versions] == ["staging", "staging"]
        judged = pipeline.run_now("steady-alpha", "monitoring", model_version=2)
        upstream = client.get_lineage("dataset_version:steady-alpha-predictions@2", direction="up")
        reached = {one["id"] for one in upstream["nodes"] if one["type"] == "model_version"}
        assert reached == {"steady-alpha@1", "steady-alpha@2"}
        assert judged["state"] == "completed"
        assert len(upstream["nodes"]) == 1 + 4 * 2  # one dataset; a block: training, version, inference, rows
        assert upstream["extends"] == 1
        assert len(upstream["edges"]) - upstream["extends"] == 5 * 2
        again = pipeline.backfill("steady-alpha", FIRST, LAST)
        assert sorted(run["model"]["number"] for run in again["runs"]) == [1, 2]
        assert [run["model"]["trained_as_of"][:10] for run in again["runs"]] == ["2024-02-05", "2024-03-05"]
        compared = client.compare_runs([run["id"] for run in again["runs"]])
        assert {row["name"] for row in compared["settings"]} == {"decisions", "model"}


def test_a_backfill_goes_on_after_its_service_was_killed_and_nothing_is_doubled(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as client:
        prepared(client, tmp_path / "package")
        begun = client.backfill("steady-alpha", FIRST.isoformat(), LAST.isoformat(), refit="1m")
        workflow = begun["correlation_id"]
        wait_until(lambda: any_running(client, workflow), "a run of the backfill runs")
        kill(data, signal.SIGKILL)
    with running(data) as client:
        wait_until(lambda: client.get_workflow(workflow)["state"] != "running", "the backfill ends", 90)
        done = client.get_workflow(workflow)
        assert done["state"] == "completed"
        assert done["counts"]["training completed"] == done["counts"]["inference completed"] == 2
        assert client.get_model_instance("steady-alpha")["versions"] == 2


def any_running(client: Client, workflow: str) -> bool:
    return any(run["state"] == "running" for run in client.get_workflow(workflow)["runs"])


def test_a_training_is_reproduced_from_its_events_on_a_folder_without_artifacts(tmp_path: Path) -> None:
    first, copy = tmp_path / "data", tmp_path / "copy"
    with running(first) as client:
        prepared(client, tmp_path / "package")
        run = pipeline.run_now("steady-alpha", as_of=AS_OF)
        package = client.get_run(run["id"])["package_sha256"]
        assert pipeline.reproduce("steady-alpha@1")["verdict"] == "equal"
    exported = command("log", "export", "--data", str(first))
    (tmp_path / "log.jsonl").write_text(exported)
    command("log", "import", str(tmp_path / "log.jsonl"), "--data", str(copy))
    shutil.copytree(first / "datasets", copy / "datasets", dirs_exist_ok=True)
    with running(copy) as client:
        source = next(path for path in (first / "artifacts").rglob("*") if path.name.endswith(package[2:]))
        client.store_blob(source.read_bytes())
        verdict = pipeline.reproduce("steady-alpha@1")
        assert (verdict["verdict"], verdict["equal_artifact"], verdict["equal_metrics"]) == (
            "equal",
            True,
            True,
        )
        assert verdict["environment"] == []
        assert client.get_model_instance("steady-alpha")["versions"] == 1
        told = command("reproduce", "steady-alpha@1", "--data", str(copy))
        assert "file and metrics are equal" in told
        assert len(client.list_reproductions(run["id"])["items"]) == 3


def test_a_training_that_draws_by_chance_differs_and_it_is_said_in_what(tmp_path: Path) -> None:
    with running(tmp_path / "data") as client:
        prepared(client, tmp_path / "package", with_fit(CHANCE))
        pipeline.run_now("steady-alpha", as_of=AS_OF)
        verdict = pipeline.reproduce("steady-alpha@1")
        assert verdict["verdict"] == "differs"
        assert "artifact" in {one["what"] for one in verdict["differences"]}
        ran = subprocess.run(
            [str(PROGRAM), "reproduce", "steady-alpha@1", "--data", str(tmp_path / "data")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr[:11]) == (1, "run.differs")


def command(*arguments: str) -> str:
    return subprocess.run([str(PROGRAM), *arguments], capture_output=True, text=True, check=True).stdout
