"""Runs in hand when the service is killed fail with `run.worker_lost` and can be asked for again."""

import random
import time
from pathlib import Path

import pytest

from tests.guarantees.service_checks import Ledger, check_folder
from tests.guarantees.service_harness import eventually
from tests.guarantees.service_world import AUTOMATIC, MANUAL, done

KILLS = 5
LONGEST_S = 2.5
"""About as long as a training takes from its submission to its end."""


def processes_in(folder: Path) -> list[int]:
    """Processes whose working folder lies in a folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and folder in (process / "cwd").readlink().parents:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def state_of(api, run: str) -> str:
    return done(api.get(f"/runs/{run}"))["state"]


@pytest.fixture
def chance():
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    return random.Random(seed)


def test_a_running_run_fails_as_lost_and_its_retry_completes(service_zygote, data):
    with service_zygote.start(data, slots=1) as service, service.client() as api:
        run = done(api.post(f"/instances/{MANUAL}/runs", json={"kind": "training"}))["run_id"]
        eventually(lambda: bool(processes_in(data / "runs")), "the run has a process")
        assert state_of(api, run) == "running"
        service.kill()
        service.wait()
    eventually(lambda: not processes_in(data / "runs"), "the run's process died with the service")
    with service_zygote.start(data, slots=1) as service, service.client() as api:
        lost = done(api.get(f"/runs/{run}"))
        assert (lost["state"], lost["error"]["code"]) == ("failed", "run.worker_lost")
        again = {"kind": "training", "retry_of": run}
        retried = done(api.post(f"/instances/{MANUAL}/runs", json=again, params={"wait": 60}, timeout=90))
        assert retried["run"]["state"] == "completed"
        assert retried["run"]["retry_of"] == run
        versions = done(api.get(f"/instances/{MANUAL}/versions"))["items"]
        assert [version["run_id"] for version in versions] == [retried["run_id"]]


def test_trainings_killed_at_any_moment_end_once_and_leave_nothing_half_done(service_zygote, data, chance):
    runs: list[str] = []
    for _ in range(KILLS):
        with service_zygote.start(data, slots=2) as service, service.client() as api:
            for name in (MANUAL, AUTOMATIC):
                runs.append(done(api.post(f"/instances/{name}/runs", json={"kind": "training"}))["run_id"])
            time.sleep(chance.uniform(0, LONGEST_S))
            service.kill()
            service.wait()
    with service_zygote.start(data, slots=2) as service, service.client() as api:
        ended = ("completed", "failed")
        eventually(lambda: all(state_of(api, run) in ended for run in runs), "every run has ended")
        found = [done(api.get(f"/runs/{run}")) for run in runs]
        service.settle_policies()
        assert service.stop() == 0
    codes = {run["error"]["code"] for run in found if run["state"] == "failed"}
    assert codes <= {"run.worker_lost"}
    assert {run["state"] for run in found[-2:]} <= {"completed", "failed"}
    ledger = Ledger(data)
    ledger.read_on()
    registered = [event for event in ledger.events if event.action == "model_version.registered"]
    assert len(registered) == sum(run["state"] == "completed" for run in found) > 0
    check_folder(data, ledger)
    assert list((data / "runs").iterdir()) == []
