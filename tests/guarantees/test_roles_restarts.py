"""G12 and graceful ends on the whole production stack; two schedules; workers that die in the middle."""

from collections.abc import Iterator

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from infrastructure.kafka.intake_role import GROUP as INTAKE_GROUP
from tests.guarantees.roles_checks import read_log
from tests.guarantees.roles_scenes import (
    SLOW,
    Scene,
    await_promotion,
    give_slow_instance,
    promoted,
    scene,
    seconds,
    trained,
)
from tests.guarantees.roles_world import facts_of
from tests.http.life import TRAINED_AS_OF
from tests.support.compose import ROLES
from tests.support.processes import wait_until

PROMISED_S = 5.0
BACK_S = 20.0
"""The promise is for a quiet machine; tests run on any."""
TAKES_OVER_S = 30.0


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("scene")) as made:
        yield made


pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:.*socket:pytest.PytestUnraisableExceptionWarning"),  # kafka-python's
]


def test_each_role_is_back_soon_after_a_kill_and_nothing_is_lost(at: Scene):
    back: dict[str, float] = {}
    with at.load(seed=1):
        for name in ROLES:
            role = at.stack.roles[name]
            role.kill()
            back[name] = seconds(lambda name=name, role=role: (role.start(), at.stack.wait_ready(name))[0])
            at.await_progress(f"{name} was killed")
    print(f"from restart to ready: {back} (promised {PROMISED_S:g} s on a quiet machine)")
    at.check()
    assert max(back.values()) <= BACK_S


def test_the_service_is_back_soon_after_a_kill_of_database_or_broker(at: Scene):
    back: dict[str, float] = {}
    with at.load(seed=2):
        for name, server in (("postgres", at.stack.postgres), ("kafka", at.stack.kafka)):
            server.kill()
            own = seconds(server.start)
            back[name] = seconds(lambda name=name: (at.stack.wait_ready(), at.await_progress(name))[0])
            print(f"{name}: {own:g} s until it answers, {back[name]:g} s more until all is ready and works")
    at.check()
    assert max(back.values()) <= BACK_S


def test_each_role_ends_in_order_under_load_and_loses_nothing(at: Scene):
    with at.load(seed=3):
        for name in ROLES:
            role = at.stack.roles[name]
            code = role.stop()
            assert code == 0, f"{name} ended with {code}: {role.tail()}"
            if name == "intake":  # `project` keeps its place in the group by its name
                assert members(at, INTAKE_GROUP) == 0, "intake did not leave its group"
            role.start()
            at.await_progress(f"{name} was stopped")
    at.check()


def members(at: Scene, group: str) -> int:
    """How many members the broker believes a group to have."""
    admin = AdminClient({"bootstrap.servers": at.stack.kafka.bootstrap})
    described = admin.describe_consumer_groups([group])[group].result()
    return len(described.members)


# --- two schedules ---


@pytest.fixture(scope="module")
def two(at: Scene) -> Iterator[Scene]:
    """A second schedule beside the first."""
    standby = at.stack.add("standby", "schedule")
    standby.start()
    yield at
    standby.kill()
    del at.stack.roles["standby"]


def active(at: Scene) -> list[str]:
    """Which schedules say that they act."""
    names = [name for name in ("schedule", "standby") if at.stack.roles[name].process.is_running]
    return [name for name in names if facts_of(at.stack, name)["active"]]


def only_active(at: Scene) -> str:
    """Wait until exactly one acts."""
    wait_until(lambda: len(active(at)) == 1, "not exactly one schedule acts", TAKES_OVER_S)
    (name,) = active(at)
    return name


def test_a_standby_acts_when_the_active_schedule_is_killed(two: Scene):
    first = only_active(two)
    other = two.stack.roles["standby" if first == "schedule" else "schedule"]
    two.stack.roles[first].kill()
    trained(two, "of-the-killed")
    took = seconds(lambda: await_promotion(two, "of-the-killed", TAKES_OVER_S))
    print(f"{other.name} acted {took:g} s after the event; {first} was killed")
    assert facts_of(two.stack, other.name)["active"] or active(two)
    two.stack.roles[first].start()
    only_active(two)
    assert promoted(read_log(two.stack), "of-the-killed") == ["policy:promotion"]


def test_a_frozen_schedule_is_replaced_and_fenced_when_it_goes_on(two: Scene):
    first = only_active(two)
    zombie = two.stack.roles[first]
    others = next(name for name in ("schedule", "standby") if name != first)
    zombie.process.suspend()
    try:
        trained(two, "of-the-frozen")
        took = seconds(lambda: await_promotion(two, "of-the-frozen", TAKES_OVER_S))
        print(f"the standby acted {took:g} s after the event; the active one was frozen")
        owner = progress_owner(two)
    finally:
        zombie.process.resume()
    wait_until(lambda: not facts_of(two.stack, first)["active"], "the zombie still acts", TAKES_OVER_S)
    trained(two, "after-the-frozen")
    await_promotion(two, "after-the-frozen", TAKES_OVER_S)
    assert only_active(two) == others
    assert progress_owner(two) == owner
    for name in ("of-the-frozen", "after-the-frozen"):
        assert promoted(read_log(two.stack), name) == ["policy:promotion"]


def progress_owner(at: Scene) -> str:
    """Who has the policies' progress."""
    with psycopg.connect(at.stack.database_url) as connection:
        row = connection.execute("SELECT owner FROM optaic_ops.policy_progress").fetchone()
    assert row is not None
    return row[0]


# --- workers ---


@pytest.fixture(scope="module")
def slow(at: Scene) -> Scene:
    """With an instance whose training never ends by itself."""
    give_slow_instance(at)
    return at


def running(at: Scene) -> str:
    """A training that a worker has begun; its id."""
    with at.client() as client:
        asked = client.post(f"/instances/{SLOW}/runs", json={"kind": "training", "as_of": TRAINED_AS_OF})
        assert asked.status_code == 202, asked.text
        run_id = asked.json()["run_id"]
    wait_until(lambda: state(at, run_id)["state"] == "running", "no worker begins the run")
    return run_id


def state(at: Scene, run_id: str) -> dict[str, str]:
    """A run as the API shows it, with the code of its failure."""
    with at.client() as client:
        return client.get(f"/runs/{run_id}").json()


def code_of(at: Scene, run_id: str) -> str | None:
    """Why a run failed."""
    found = [row.said["code"] for row in at.rows_of(run_id) if row.action.endswith(".failed")]
    assert len(found) <= 1, found
    return found[0] if found else None


def test_a_worker_that_comes_back_fails_the_run_of_its_former_life(slow: Scene):
    run_id = running(slow)
    worker = slow.stack.roles["worker"]
    worker.kill()
    worker.start()
    wait_until(lambda: code_of(slow, run_id) is not None, "nobody fails the run")
    assert code_of(slow, run_id) == "run.worker_lost"


def test_the_lease_of_a_worker_that_stays_away_expires(slow: Scene):
    run_id = running(slow)
    worker = slow.stack.roles["worker"]
    wait_until(lambda: has_lease(slow, run_id), "the run has no lease")
    worker.kill()
    with psycopg.connect(slow.stack.database_url, autocommit=True) as connection:
        # as if its 60 s were over
        connection.execute("UPDATE optaic_ops.run_lease SET expires_at_us = 0 WHERE run_id = %s", (run_id,))
    wait_until(lambda: code_of(slow, run_id) is not None, "nobody fails the run", TAKES_OVER_S)
    assert code_of(slow, run_id) == "run.lease_expired"
    worker.start()
    slow.stack.wait_ready("worker")
    slow.check()


def has_lease(at: Scene, run_id: str) -> bool:
    """Whether somebody watches over the run."""
    with psycopg.connect(at.stack.database_url) as connection:
        found = connection.execute("SELECT 1 FROM optaic_ops.run_lease WHERE run_id = %s", (run_id,))
        return found.fetchone() is not None
