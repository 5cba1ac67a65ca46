"""G8: of many writers at once exactly one wins, and the others are told why."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from domain.dataset.commands import CreateDataset
from domain.model_instance.commands import UpdateInstance
from domain.model_version.commands import PromoteVersion, RollbackVersion
from domain.run.commands import CancelRun, FailRun, StartRun
from domain.shared.command import Command
from domain.shared.errors import RuleBroken
from tests.support.desk import Desk, command_id
from tests.support.valid import declaration

WRITERS = 8


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path) as one:
        yield one.ready()


def at_once(desk: Desk, commands: list[Command], **sender: object) -> Counter[str]:
    """Send all commands at the same moment, each from a thread of its own: outcome or code → how often."""
    together = Barrier(len(commands))

    def send(command: Command) -> str:
        together.wait()
        try:
            outcome = desk.send(command, **sender)  # type: ignore[arg-type]
        except RuleBroken as broken:
            return broken.code
        return "repeated" if outcome.repeated else outcome.kind

    with ThreadPoolExecutor(len(commands)) as pool:
        return Counter(pool.map(send, commands))


def at_most_one_in_production(desk: Desk) -> None:
    """At every position between two commands."""
    production: set[int] = set()
    for recorded in desk.since(0):
        if recorded.action in ("model_version.promoted", "model_version.rolled_back"):
            production.add(int(recorded.resource_id.partition("@")[2]))
        if recorded.action == "model_version.archived":
            production.discard(int(recorded.resource_id.partition("@")[2]))
        following = desk.log.read(recorded.position, 1)
        if not following or following[0].command_id != recorded.command_id:
            assert len(production) <= 1, recorded.position


def test_one_of_many_workers_wins_a_run(desk: Desk) -> None:
    run_id = desk.submit()
    workers: list[Command] = [StartRun(run_id=run_id, worker=f"w{n}") for n in range(WRITERS)]
    assert at_once(desk, workers) == {"accepted": 1, "run.already_claimed": WRITERS - 1}


def test_one_of_many_creators_gets_a_name(desk: Desk) -> None:
    creators: list[Command] = [
        CreateDataset(name="new", declaration=declaration(f"c{n}")) for n in range(WRITERS)
    ]
    assert at_once(desk, creators) == {"accepted": 1, "dataset.exists": WRITERS - 1}


def test_one_of_many_writers_at_one_expected_version_wins(desk: Desk) -> None:
    writers: list[Command] = [UpdateInstance(name="spx-alpha", description=f"d{n}") for n in range(WRITERS)]
    told = at_once(desk, writers, expected_versions={"model_instance:spx-alpha": 1})
    assert told == {"accepted": 1, "stream.version_stale": WRITERS - 1}


def test_one_command_sent_many_times_at_once_has_one_effect(desk: Desk) -> None:
    head = desk.log.head()
    same: list[Command] = [CreateDataset(name="new", declaration=declaration())] * WRITERS
    assert at_once(desk, same, command_id=command_id(1)) == {"accepted": 1, "repeated": WRITERS - 1}
    assert desk.log.head() == head + 1


def test_one_end_of_a_run_wins(desk: Desk) -> None:
    run_id = desk.start(desk.submit())
    ends: list[Command] = [
        desk.completion(run_id),
        CancelRun(run_id=run_id),
        FailRun(run_id=run_id, code="run.crashed", message="exit 1"),
    ]
    told = at_once(desk, ends)
    assert told == {"accepted": 1, "run.already_finished": 2}
    ended = [one.action for one in desk.since(0) if one.action.endswith(("completed", "cancelled", "failed"))]
    assert len(ended) == 1


@pytest.mark.parametrize(
    "last",
    [PromoteVersion(instance="spx-alpha", number=4), RollbackVersion(instance="spx-alpha")],
    ids=["promotions", "promotions and rollbacks"],
)
def test_however_many_promote_at_once_one_version_is_in_production(desk: Desk, last: Command) -> None:
    for _ in range(6):
        desk.train()
    desk.send(PromoteVersion(instance="spx-alpha", number=5))
    desk.send(PromoteVersion(instance="spx-alpha", number=6))
    moves = [*(PromoteVersion(instance="spx-alpha", number=n) for n in range(1, 4)), last]
    told = at_once(desk, moves)
    assert told == {"accepted": 4}
    at_most_one_in_production(desk)
    stages = [desk.version_state(number).stage for number in range(1, 7)]
    assert stages.count("production") == 1
    assert stages.index("production") + 1 == desk.instance_state().active
