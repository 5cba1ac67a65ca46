"""The role `project` on a real broker and a real database: one effect an event, whatever dies."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka import Producer

from infrastructure.failpoints import CONSUMER
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.holes import PartitionChain
from infrastructure.kafka.messages import to_message
from infrastructure.kafka.relay_progress import read_epoch
from infrastructure.kafka.topics import Topics
from infrastructure.observability.metrics import HOLES
from infrastructure.postgres.connections import engine
from tests.kafka.consumer_desk import PARTITIONS, ConsumerDesk
from tests.kafka.plain_views import owners
from tests.kafka.relay_desk import whole_log
from tests.support.kafka import KafkaBroker
from tests.support.log_database import installed
from tests.support.postgres import PostgresServer, fresh_database
from tests.support.processes import wait_until


@pytest.fixture
def desk(database: str, kafka_broker: str, topic_names: Topics) -> Iterator[ConsumerDesk]:
    desk = ConsumerDesk(installed(database), kafka_broker, topic_names)
    yield desk
    desk.close()


def test_what_is_recorded_is_folded_in_every_view_once(desk: ConsumerDesk) -> None:
    desk.play(400)
    desk.relay()
    consumers = desk.consumers()
    desk.wait_folded()
    desk.play(100)
    desk.wait_folded()
    desk.check()
    status = consumers.status()
    assert status.ready
    assert sorted(status.facts["partitions"]) == [str(number) for number in range(6)]
    consumers.stop()
    consumers.stop()
    assert consumers.failure is None


@pytest.mark.parametrize("place", sorted(CONSUMER))
def test_a_consumer_killed_anywhere_doubles_and_loses_nothing(
    desk: ConsumerDesk, tmp_path: Path, place: str
) -> None:
    desk.relay(page=50)
    desk.play(100)
    child = desk.child(tmp_path, "here", failpoints=f"{place}=kill@4")

    def is_dead() -> bool:
        desk.play(20)
        return not child.process.is_running

    wait_until(is_dead, "the consumer does not come to the failpoint")
    desk.child(tmp_path, "here")
    desk.wait_folded()
    desk.check()


@pytest.mark.quiet
def test_consumers_killed_under_load_are_back_in_five_seconds(desk: ConsumerDesk, tmp_path: Path) -> None:
    random = Random(4)
    desk.relay(page=20)
    child = desk.child(tmp_path, "here")
    desk.wait_folded(desk.play(100))
    for _ in range(5):
        desk.play(random.randint(20, 120))
        child.process.kill()
        child = desk.child(tmp_path, "here")
        desk.wait_folded(timeout_s=5)
    desk.check()


def test_a_frozen_consumer_is_replaced_and_refused_at_its_first_write(
    desk: ConsumerDesk, tmp_path: Path
) -> None:
    desk.relay(page=20)
    frozen = desk.child(tmp_path)
    desk.wait_folded(desk.play(100))
    former = owners(desk.url)
    frozen.process.suspend()
    desk.child(tmp_path)
    desk.play(200)
    desk.wait_folded()
    assert not set(former.values()) & set(owners(desk.url).values())
    frozen.process.resume()
    desk.play(200)
    desk.wait_folded()
    desk.check()


def test_consumers_that_come_and_go_under_load_double_and_lose_nothing(
    desk: ConsumerDesk, tmp_path: Path
) -> None:
    random = Random(9)
    desk.relay(page=20)
    living = [desk.child(tmp_path) for _ in range(3)]
    desk.wait_folded(desk.play(100))
    for how in ("stopped", "killed", "stopped", "killed"):
        desk.play(80)
        leaving = living.pop(random.randrange(len(living)))
        desk.play(40)
        if how == "stopped":
            assert leaving.process.end(signal.SIGTERM) == 0
        else:
            leaving.process.kill()
        living.append(desk.child(tmp_path))
    desk.play(80)
    desk.wait_folded()
    desk.check()


def test_what_was_removed_from_the_topic_is_read_from_the_log_and_alarmed(
    desk: ConsumerDesk, kafka: Kafka, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    desk.play(300)
    gone = {row[0] for row in whole_log(desk.log)[40:200:9]}
    before = HOLES._value.get()
    publish(desk, kafka, without=gone)
    desk.consumers()
    desk.wait_folded(timeout_s=20)
    desk.check()
    assert HOLES._value.get() > before
    assert "missing on the topic" in caplog.text


def publish(desk: ConsumerDesk, kafka: Kafka, without: set[int]) -> None:
    """As the relay does, with some messages left out; a last message of each partition is there."""
    producer = Producer({**kafka.producer()})
    chain, last = PartitionChain(PARTITIONS, {}), dict[str, int]()
    reader = engine(desk.url, application_name="test")
    epoch = read_epoch(reader)
    reader.dispose()
    for row in whole_log(desk.log):
        message = to_message(row, last.get(row[2], 0), epoch)
        header = chain.link(row[2], row[0])
        last[row[2]] = row[0]
        if row[0] not in without:
            headers: Any = [*message.headers, header]
            producer.produce(desk.topics.activity, message.value, message.key, headers=headers)
    assert producer.flush(20) == 0


def test_a_database_that_restarts_is_waited_for(kafka_broker: str, topic_names: Topics) -> None:
    server = PostgresServer()
    with ExitStack() as opened:
        opened.callback(server.close)
        server.start()
        url = opened.enter_context(fresh_database(server.url))
        desk = ConsumerDesk(installed(url), kafka_broker, topic_names)
        opened.callback(desk.close)
        desk.relay(page=20)
        consumers = desk.consumers()
        desk.wait_folded(desk.play(100))
        for end in (server.stop, server.kill):
            head = desk.play(50)
            end()
            assert consumers.failure is None
            server.start()
            desk.wait_folded(head, timeout_s=20)
        desk.check()
        wait_until(lambda: consumers.status().ready, "the consumers do not say that they are ready again")


def test_a_broker_that_is_killed_and_returns_is_waited_for(database: str, topic_names: Topics) -> None:
    broker = KafkaBroker()
    broker.start()
    desk = ConsumerDesk(installed(database), broker.bootstrap, topic_names)
    try:
        desk.relay(page=20)
        consumers = desk.consumers()
        desk.wait_folded(desk.play(100))
        broker.kill()
        desk.play(50)
        wait_until(lambda: not consumers.status().ready, "the consumers do not say that Kafka is away")
        broker.start()
        desk.wait_folded(timeout_s=30)
        desk.check()
        wait_until(lambda: consumers.status().ready, "the consumers do not say that they are ready again")
    finally:
        desk.close()
        broker.close()
