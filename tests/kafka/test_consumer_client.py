"""The client's own habits that the flow has to know."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.consumer_client import ConfluentFlow
from infrastructure.kafka.topics import Topics
from tests.support.processes import wait_until


@pytest.fixture
def consumer(kafka: Kafka) -> Iterator[Consumer]:
    options = {**kafka.admin(), "group.id": "flow", "enable.auto.commit": False}
    opened = Consumer({**options, "partition.assignment.strategy": "cooperative-sticky"})
    yield opened
    opened.close()


def test_a_partition_that_was_held_when_it_was_taken_away_is_fetched_when_it_is_given_again(
    kafka: Kafka, topics: Topics, consumer: Consumer
) -> None:
    """The client keeps a pause over an assignment; such a partition would stand still for ever."""
    producer = Producer(kafka.producer())
    producer.produce(topics.activity, b"first", partition=0)
    producer.flush()
    flow = ConfluentFlow(topics.activity)
    flow.begin(consumer, [0], {0: None})
    wait_until(lambda: bool(consumer.consume(1, 0.2)), "nothing comes at first")
    flow.hold(0)
    consumer.incremental_unassign([TopicPartition(topics.activity, 0)])
    flow.begin(consumer, [0], {0: None})
    wait_until(lambda: bool(consumer.consume(1, 0.2)), "nothing comes again", 15)
