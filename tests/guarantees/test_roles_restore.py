"""A log that comes back, from a backup or from Kafka, and one that is published again, fire no policy."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.guarantees.roles_checks import Row, check_activity, read_log
from tests.guarantees.roles_scenes import Scene, await_promotion, promoted, scene, trained
from tests.guarantees.roles_world import facts_of, settle
from tests.support.compose import services
from tests.support.processes import wait_until

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:.*socket:pytest.PytestUnraisableExceptionWarning"),  # kafka-python's
]


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A log with an event on which a policy has acted."""
    with scene(tmp_path_factory.mktemp("scene")) as made:
        trained(made, "of-the-past")
        await_promotion(made, "of-the-past")
        settle(made.stack, made.core)
        yield made


def by_policies(rows: list[Row]) -> list[Row]:
    """What policies have done."""
    return [row for row in rows if row.actor.startswith("policy:")]


def emptied(at: Scene) -> None:
    """The database is lost: another one of the same name, empty and prepared."""
    with psycopg.connect(at.stack.postgres.url, autocommit=True) as connection:
        connection.execute("DROP DATABASE optaic WITH (FORCE)")
        connection.execute("CREATE DATABASE optaic OWNER optaic_owner TEMPLATE template0 ENCODING 'UTF8'")
    at.stack.run("prepare", services()["prepare"]["command"])


def goes_on_without_repeating(at: Scene, before: list[Row], change: Callable[[], None]) -> None:
    """Stop the roles, change, start them; policies act on what is new and on nothing old."""
    at.stack.stop()
    change()
    for name in ("relay", "project", "schedule", "serve"):
        at.stack.roles[name].start()
    wait_until(lambda: facts_of(at.stack, "schedule")["active"], "the schedule does not act")
    wait_until(lambda: len(read_log(at.stack)) >= len(before), "the log is not back")
    name = f"of-{change.__name__.replace('_', '-')}"
    trained(at, name)
    await_promotion(at, name)
    after = read_log(at.stack)
    assert after[: len(before)] == before
    assert promoted(after[len(before) :], name) == ["policy:promotion"]
    commands = {row.command_id for row in by_policies(after[len(before) :])}
    assert len(commands) == 1, "policies acted on what is old"


def test_a_restored_backup_fires_no_policy(at: Scene, tmp_path: Path):
    before = read_log(at.stack)
    assert by_policies(before)
    at.stack.run("serve", ["backup", str(tmp_path / "backup")])

    def restored_backup() -> None:
        emptied(at)
        at.stack.run("serve", ["restore", "--from-backup", str(tmp_path / "backup")])
        at.stack.run("serve", ["republish", "--from", "0"])

    goes_on_without_repeating(at, before, restored_backup)


def test_a_log_restored_from_kafka_fires_no_policy(at: Scene):
    settle_relay(at)
    before = read_log(at.stack)

    def restored_from_kafka() -> None:
        emptied(at)
        at.stack.run("serve", ["restore", "--from-kafka"])

    goes_on_without_repeating(at, before, restored_from_kafka)


def test_a_log_that_is_published_again_fires_no_policy(at: Scene):
    settle_relay(at)
    before = read_log(at.stack)

    def published_again() -> None:
        at.stack.run("serve", ["republish", "--from", "0"])

    goes_on_without_repeating(at, before, published_again)
    settle_relay(at)
    assert check_activity(at.stack, read_log(at.stack)) >= len(before)


def settle_relay(at: Scene) -> None:
    """Wait until Kafka has the whole log."""
    wait_until(lambda: facts_of(at.stack, "relay")["lag_events"] == 0, "the relay is behind")
