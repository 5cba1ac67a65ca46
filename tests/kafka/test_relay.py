"""The relay on a real broker and a real database: every event is on the topic, in log order."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, update

from infrastructure.failpoints import RELAY
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.relay import RelayFenced
from infrastructure.kafka.relay_progress import PostgresProgress, read_epoch, read_standing
from infrastructure.kafka.topics import TopicPartitionsChanged, Topics
from infrastructure.postgres.connections import engine
from infrastructure.postgres.operational import relay_progress
from tests.kafka.relay_desk import RelayDesk, append, append_many, found_on, whole_log
from tests.support.log_database import installed
from tests.support.processes import wait_until


@pytest.fixture
def desk(database: str, kafka: Kafka, topic_names: Topics) -> Iterator[RelayDesk]:
    desk = RelayDesk(installed(database), kafka, topic_names)
    yield desk
    desk.close()


@pytest.fixture
def rows(desk: RelayDesk) -> Iterator[Engine]:
    rows = engine(desk.url, application_name="test")
    yield rows
    rows.dispose()


def test_every_event_of_fifty_tenants_is_on_its_partition_and_chained(desk: RelayDesk, rows: Engine) -> None:
    append_many(desk.log, 600)
    relay = desk.relay(page=64)
    append_many(desk.log, 400)
    desk.wait_published(relay)
    found = desk.check()
    assert len(found) == 1_000
    standing = read_standing(rows)
    assert standing is not None
    assert (standing.position, standing.partitions) == (1_000, 6)
    ends = {one.partition: (one.activity.position, one.offset) for one in found}
    assert standing.delivered == ends
    assert {one.activity.epoch for one in found} == {read_epoch(rows)}
    assert relay.status().ready


def test_an_event_recorded_later_follows_soon_and_a_restarted_relay_goes_on(desk: RelayDesk) -> None:
    relay = desk.relay()
    desk.wait_published(relay, append(desk.log, "acme", reason="Schöne Zahlen\nin zwei Zeilen"))
    relay.stop()
    relay.stop()
    position = append(desk.log, "acme")
    again = desk.relay()
    desk.wait_published(again, position)
    assert [one.activity.position for one in desk.check()] == [1, 2]


@pytest.mark.parametrize("place", sorted(RELAY))
def test_a_relay_killed_anywhere_loses_nothing(desk: RelayDesk, tmp_path: Path, place: str) -> None:
    append_many(desk.log, 500)
    child = desk.child(tmp_path, f"{place}=kill@2")
    wait_until(lambda: not child.is_running, "the relay does not come to the failpoint")
    append_many(desk.log, 50)
    desk.wait_published(desk.relay())
    desk.check()


def test_of_two_relays_one_stands_by_and_takes_over(desk: RelayDesk) -> None:
    first = desk.relay()
    desk.wait_published(first, append(desk.log, "acme"))
    second = desk.relay()
    wait_until(lambda: "stands by" in second.status().detail, "the second does not stand by")
    assert second.status().ready
    append_many(desk.log, 50)
    desk.wait_published(first)
    first.stop()
    append_many(desk.log, 50)
    desk.wait_published(second)
    assert len(desk.check()) == 101


def test_a_frozen_relay_is_replaced_and_its_return_is_harmless(
    desk: RelayDesk, tmp_path: Path, rows: Engine
) -> None:
    """A zombie can repeat messages, nothing else: its progress is fenced and it notices before it goes on."""
    child = desk.child(tmp_path, silence_s=2.0)
    append_many(desk.log, 3_000)
    wait_until(lambda: getattr(read_standing(rows), "position", 0) > 0, "the first relay does nothing")
    child.suspend()
    frozen_at = read_standing(rows)
    second = desk.relay(silence_s=2.0)
    append_many(desk.log, 200)
    desk.wait_published(second)
    child.resume()
    append_many(desk.log, 200)
    desk.wait_published(second)
    wait_until(lambda: b"stands by" in (tmp_path / "relay-0.log").read_bytes()[-800:], "no standby")
    assert frozen_at is not None
    desk.check()


@pytest.mark.parametrize("place", sorted(RELAY))
def test_a_relay_frozen_anywhere_is_replaced(desk: RelayDesk, tmp_path: Path, place: str) -> None:
    """Within the transaction of its progress too, where it holds the rows that its successor needs."""
    append_many(desk.log, 500)
    child = desk.child(tmp_path, f"{place}=freeze@2", silence_s=2.0)
    wait_until(lambda: child.is_frozen, "the relay does not come to the failpoint")
    append_many(desk.log, 50)
    desk.wait_published(desk.relay(silence_s=2.0))
    child.resume()
    wait_until(lambda: b"stands by" in (tmp_path / "relay-0.log").read_bytes()[-800:], "no standby")
    desk.check()


def test_a_relay_whose_session_is_cut_begins_again_with_its_turn(desk: RelayDesk, database: str) -> None:
    relay = desk.relay()
    desk.wait_published(relay, append(desk.log, "acme"))
    with psycopg.connect(database, autocommit=True) as superuser:
        cut = superuser.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE application_name = 'optaic-mlops turn relay' AND datname = current_database()"
        ).fetchone()
    assert cut == (1,)
    wait_until(lambda: "turn is gone" in relay.status().detail, "the relay takes no notice")
    append_many(desk.log, 50)
    desk.wait_published(relay)
    desk.check()


def test_progress_that_another_relay_owns_cannot_be_moved(desk: RelayDesk, rows: Engine) -> None:
    zombie, active = PostgresProgress(rows, "zombie"), PostgresProgress(rows, "active")
    assert zombie.take() is None
    zombie.begin(6)
    zombie.move(0, 5, {}, {"acme": 5})
    standing = active.take()
    assert standing is not None
    assert standing.position == 5
    with pytest.raises(RelayFenced):
        zombie.move(5, 9, {}, {"acme": 9})
    active.move(5, 6, {}, {"acme": 6})
    with pytest.raises(RelayFenced):
        active.move(5, 7, {}, {"acme": 7})
    assert active.tenants(["acme", "other"]) == {"acme": 6}


def test_another_number_of_partitions_than_published_ends_the_relay(desk: RelayDesk, rows: Engine) -> None:
    relay = desk.relay()
    desk.wait_published(relay, append(desk.log, "acme"))
    relay.stop()
    with rows.begin() as connection:
        connection.execute(update(relay_progress).values(partitions=5))
    assert isinstance(desk.wait_failed(desk.relay()), TopicPartitionsChanged)


def test_messages_are_not_repeated_without_need(desk: RelayDesk) -> None:
    relay = desk.relay(page=10)
    for _ in range(5):
        append_many(desk.log, 20)
        desk.wait_published(relay)
    found = found_on(desk.kafka.bootstrap, desk.topics.activity)
    assert len(found) == len(whole_log(desk.log)) == 100
