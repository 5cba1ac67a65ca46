"""G8 for runs: of many workers one claims a run; of cancel, complete and fail the first appended one wins."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.run.commands import CancelRun, CompleteRun, FailRun, StartRun
from domain.run.pins import Artifact
from domain.shared.command import Command
from domain.shared.errors import RuleBroken
from infrastructure.bootstrap import Service
from tests.http.life import Life, internal, living

ROUNDS = 12
WORKERS = 8


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with living(tmp_path / "data") as one:
        one.ready_instance()
        yield one


def sent(service: Service, command: Command) -> str:
    """`accepted`, or the code of the refusal."""
    try:
        return service.bus.send(command, internal(service)).kind
    except RuleBroken as refusal:
        return refusal.code


def at_once(service: Service, commands: list[Command]) -> list[str]:
    """Send commands from as many threads, released together."""
    gate = threading.Barrier(len(commands))
    answers = [""] * len(commands)

    def send(place: int) -> None:
        gate.wait()
        answers[place] = sent(service, commands[place])

    threads = [threading.Thread(target=send, args=(place,)) for place in range(len(commands))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_of_many_workers_exactly_one_claims_each_run(life: Life) -> None:
    for _ in range(ROUNDS):
        run = life.submit()
        answers = at_once(life.service, [StartRun(run_id=run, worker=f"w{n}") for n in range(WORKERS)])
        assert Counter(answers) == {"accepted": 1, "run.already_claimed": WORKERS - 1}
        view = life.get(f"/runs/{run}", after=life.head())
        assert view["started"]["worker"] == f"w{answers.index('accepted')}"


def ends(life: Life, run: str) -> list[Command]:
    """Two of each way to end a run."""
    sha256 = life.service.artifacts.put(run.encode())
    artifact = Artifact(sha256=sha256, size_bytes=len(run), format="toy")
    done = CompleteRun(run_id=run, metrics={"rank_ic": 0.02}, artifact=artifact)
    failed = FailRun(run_id=run, code="run.crashed", message="x")
    return [done, failed, CancelRun(run_id=run)] * 2


def test_a_run_ends_once_whoever_ends_it_and_version_numbers_have_no_holes(life: Life) -> None:
    states: Counter[str] = Counter()
    for _ in range(ROUNDS):
        run = life.submit()
        assert sent(life.service, StartRun(run_id=run, worker="w")) == "accepted"
        answers = at_once(life.service, ends(life, run))
        assert Counter(answers) == {"accepted": 1, "run.already_finished": 5}
        view = life.get(f"/runs/{run}", after=life.head())
        won = ("completed", "failed", "cancelled")[answers.index("accepted") % 3]
        assert view["state"] == won
        assert (view["model_version"] is not None) == (won == "completed")
        states[won] += 1
    versions = life.get("/instances/spx-alpha/versions", after=life.head())["items"]
    assert [one["number"] for one in versions] == list(range(states["completed"], 0, -1))


def test_an_ended_run_never_changes(life: Life) -> None:
    run = life.submit()
    sent(life.service, StartRun(run_id=run, worker="w"))
    assert sent(life.service, CancelRun(run_id=run)) == "accepted"
    before = life.get(f"/runs/{run}", after=life.head())
    assert {sent(life.service, one) for one in ends(life, run)} == {"run.already_finished"}
    assert sent(life.service, StartRun(run_id=run, worker="v")) == "run.already_finished"
    assert life.get(f"/runs/{run}", after=life.head()) == before
