"""The four topics: their names, how they are made, and what is checked before anybody publishes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from domain.shared.errors import Kind, RuleBroken
from infrastructure.kafka.clients import Kafka, KafkaUnreachable

if TYPE_CHECKING:
    from confluent_kafka import Consumer
    from confluent_kafka.admin import AdminClient

ADMIN_S = 10.0
_DAY_MS = 86_400_000
_FOREVER = "-1"


class TopicMissing(RuleBroken):
    """The topic is not there: it was never made, or somebody deleted it."""

    kind = Kind.UNAVAILABLE
    remedy = "Make the topics (the relay does it on a new log); after a loss run `republish --from 0`."


class TopicRetentionLimited(RuleBroken):
    """The activity topic is to keep every event for ever; this one forgets."""

    remedy = "Set retention.ms=-1 and retention.bytes=-1; then run `republish --from 0` if events are gone."


class TopicCompacted(RuleBroken):
    """A compacted topic keeps the last event of a key only: the activities of a tenant would be lost."""

    remedy = "Delete the topic and run `republish --from 0`: it makes one that keeps everything."


class TopicPartitionsChanged(RuleBroken):
    """With another number of partitions a tenant's events go to another partition: order would be lost."""

    remedy = "Stop the consumers, delete the activity topic, and run `republish --rekey`."


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of the topics."""

    activity: str = "optaic.mlops.activity.v1"
    commands: str = "optaic.mlops.commands.v1"
    results: str = "optaic.mlops.command-results.v1"
    dead_letters: str = "optaic.mlops.commands.dlq.v1"

    @classmethod
    def prefixed(cls, prefix: str) -> "Topics":
        """A set of topics of its own on a shared broker."""
        usual = cls()
        names = (usual.activity, usual.commands, usual.results, usual.dead_letters)
        return cls(*(f"{prefix}{name}" for name in names))


TOPICS = Topics()
"""The topics of production."""


def configuration(topics: Topics, replication: int) -> Mapping[str, Mapping[str, str]]:
    """Topic → its settings. Activities and dead letters stay for ever, commands and results 30 days."""
    common = {
        "cleanup.policy": "delete",
        "message.timestamp.type": "CreateTime",
        "min.insync.replicas": str(max(1, replication - 1)),
        "retention.bytes": _FOREVER,
    }
    for_ever = {**common, "retention.ms": _FOREVER}
    a_month = {**common, "retention.ms": str(30 * _DAY_MS)}
    return {
        # the time of a message is the event's: a clock that was ahead must not stop the relay
        topics.activity: {**for_ever, "message.timestamp.after.max.ms": str(2**63 - 1)},
        topics.commands: {**a_month, "max.message.bytes": str(2 << 20)},
        topics.results: a_month,
        # what a command was, with its headers and the reason
        topics.dead_letters: {**for_ever, "max.message.bytes": str(4 << 20)},
    }


def admin_client(kafka: Kafka) -> "AdminClient":
    """A client that makes and describes topics."""
    from confluent_kafka.admin import AdminClient

    return AdminClient(kafka.admin())


def make_topics(admin: "AdminClient", topics: Topics, partitions: int, replication: int = 1) -> None:
    """Make those topics that are missing; those that exist stay as they are. Raises KafkaUnreachable."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.cimpl import NewTopic

    wanted = [
        NewTopic(name, partitions, replication, config=dict(settings))
        for name, settings in configuration(topics, replication).items()
    ]
    for future in admin.create_topics(wanted, operation_timeout=ADMIN_S, request_timeout=ADMIN_S).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise KafkaUnreachable(f"the topics could not be made: {error.args[0]}") from error
    for new in wanted:
        await_topic(admin, new.topic)


def await_topic(admin: "AdminClient", topic: str, timeout_s: float = ADMIN_S) -> None:
    """Return when the brokers know a topic that was made just now. Raises TopicMissing when time is over."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            partition_count(admin, topic)
        except TopicMissing:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)  # the news spreads between brokers: nothing here can wake us
        else:
            return


def partition_count(admin: "AdminClient", topic: str) -> int:
    """How many partitions a topic has. Raises TopicMissing, KafkaUnreachable."""
    from confluent_kafka import KafkaException

    try:
        found = admin.list_topics(timeout=ADMIN_S).topics.get(topic)
    except KafkaException as error:
        raise KafkaUnreachable(f"topics cannot be listed: {error.args[0]}") from error
    if found is None or found.error is not None or not found.partitions:
        raise TopicMissing(f"there is no topic {topic}", topic=topic)
    return len(found.partitions)


def topic_identity(admin: "AdminClient", topic: str, timeout_s: float = ADMIN_S) -> str | None:
    """What tells a topic from one made anew under its name; None where it cannot be known now."""
    from confluent_kafka import KafkaException, TopicCollection

    try:
        asked = admin.describe_topics(TopicCollection([topic]), request_timeout=timeout_s)
        return str(asked[topic].result().topic_id)
    except KafkaException:
        return None


def check_activity(admin: "AdminClient", topic: str, published: int | None = None) -> int:
    """Refuse a topic that could lose or reorder activities; returns its number of partitions.

    `published` is the count that the relay made known; None before its first start. Raises TopicMissing,
    TopicRetentionLimited, TopicCompacted, TopicPartitionsChanged, KafkaUnreachable.
    """
    count = partition_count(admin, topic)
    found = _settings(admin, topic)
    if "compact" in found["cleanup.policy"]:
        raise TopicCompacted(f"{topic} has cleanup.policy={found['cleanup.policy']}", topic=topic)
    for name in ("retention.ms", "retention.bytes"):
        if found[name] != _FOREVER:
            raise TopicRetentionLimited(f"{topic} has {name}={found[name]}", topic=topic, setting=name)
    if published is not None and count != published:
        detail = f"{topic} has {count} partitions, the relay published {published}"
        raise TopicPartitionsChanged(detail, topic=topic, partitions=count, published=published)
    return count


def _settings(admin: "AdminClient", topic: str) -> dict[str, Any]:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import (  # pyright: ignore[reportPrivateImportUsage]
        ConfigResource,  # pyright: ignore[reportPrivateImportUsage]
        ResourceType,  # pyright: ignore[reportPrivateImportUsage]
    )

    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        entries = admin.describe_configs([resource], request_timeout=ADMIN_S)[resource].result()
    except KafkaException as error:
        raise KafkaUnreachable(f"{topic} cannot be described: {error.args[0]}") from error
    return {name: entry.value for name, entry in entries.items()}


def is_empty(kafka: Kafka, topic: str, partitions: int) -> bool:
    """Whether no message lies in a topic. Raises KafkaUnreachable."""
    from confluent_kafka import Consumer

    consumer = Consumer(kafka.consumer(f"{topic}.tail"))
    try:
        bounds = [bounds_of(consumer, topic, number) for number in range(partitions)]
    finally:
        consumer.close()
    return all(low == high for low, high in bounds)


def bounds_of(consumer: "Consumer", topic: str, partition: int) -> tuple[int, int]:
    """The first offset of a partition and the one after its last; waits for a leader just elected.

    Raises KafkaUnreachable.
    """
    from confluent_kafka import KafkaException, TopicPartition

    deadline = time.monotonic() + ADMIN_S
    while True:
        try:
            found: Any = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ADMIN_S)
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise KafkaUnreachable(f"{topic} partition {partition}: {error.args[0]}") from error
            time.sleep(0.05)  # the news spreads between brokers: nothing here can wake us
        else:
            return found
