"""Topics of a test's own on the shared broker, and an independent reader: kafka-python."""

import secrets
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pytest
from confluent_kafka.admin import AdminClient

from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.topics import Topics, admin_client, make_topics
from tests.support.processes import wait_until

with warnings.catch_warnings():
    # kafka-python 3.0 loads its schemas in a way that Python 3.11 calls old
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaConsumer
    from kafka.consumer.fetcher import ConsumerRecord
    from kafka.partitioner.default import murmur2
    from kafka.structs import TopicPartition

__all__ = ["murmur2"]

PARTITIONS = 6
ReadTopic: TypeAlias = Callable[[str], Sequence[ConsumerRecord]]


@pytest.fixture
def kafka(kafka_broker: str) -> Kafka:
    """The shared broker, for our own clients."""
    return Kafka(kafka_broker)


@pytest.fixture
def topic_names() -> Topics:
    """Names that no other test has; the topics are not made."""
    return Topics.prefixed(f"t{secrets.token_hex(6)}.")


@pytest.fixture
def topics(kafka: Kafka, topic_names: Topics) -> Topics:
    """A test's own four topics of six partitions, made as production makes them."""
    make_topics(admin_client(kafka), topic_names, PARTITIONS)
    return topic_names


@pytest.fixture
def read_topic(kafka_broker: str) -> ReadTopic:
    """Reads every message that a topic holds now, partition by partition, as another service would."""
    return lambda topic: read_whole_topic(kafka_broker, topic)


def read_whole_topic(bootstrap: str, topic: str) -> Sequence[ConsumerRecord]:
    """All messages from the first to the present end of each partition; within a partition in order."""
    options: dict[str, Any] = {"bootstrap_servers": bootstrap, "enable_auto_commit": False}
    consumer = KafkaConsumer(auto_offset_reset="earliest", fetch_max_wait_ms=50, **options)
    try:
        partitions = [
            TopicPartition(topic, one) for one in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        found: list[ConsumerRecord] = []
        while any((consumer.position(one) or 0) < ends[one] for one in partitions):
            for records in consumer.poll(timeout_ms=500).values():
                found += [one for one in records if one.offset < ends[TopicPartition(topic, one.partition)]]
        return sorted(found, key=lambda one: (one.partition, one.offset))
    finally:
        consumer.close()


def delete_topic(admin: AdminClient, topic: str) -> None:
    """As an operator by mistake; returns when it is gone."""
    for future in admin.delete_topics([topic]).values():
        future.result()
    wait_until(lambda: topic not in admin.list_topics(timeout=5).topics, f"{topic} is still there")
