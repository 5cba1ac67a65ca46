"""Refills a lost log from the activity topic: byte for byte the same log, or nothing.

The life of the log goes on: the epoch of the last event is kept, and the relay's progress is set to the end
of the topic, because what was published and what is now in the log are proved to be the same. An event that
was recorded and not yet published when the log was lost is gone; the topic cannot know of it.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import msgspec

from domain.shared.errors import Kind, RuleBroken
from infrastructure.activity_log.errors import LogNotEmpty
from infrastructure.kafka.clients import Kafka, KafkaUnreachable
from infrastructure.kafka.messages import from_message
from infrastructure.kafka.relay import Delivered
from infrastructure.kafka.relay_progress import PostgresProgress
from infrastructure.kafka.relay_tail import read_partition
from infrastructure.kafka.staging import Staging
from infrastructure.kafka.topics import admin_client, bounds_of, partition_count
from infrastructure.postgres.connections import engine


class RestoreNothingFound(RuleBroken):
    """The topic is empty."""

    kind = Kind.NOT_FOUND
    remedy = "Check the topic's name and Kafka's address, or restore from a backup."


class EmptyLog(Protocol):
    """The log to fill."""

    def head(self) -> int:
        """The last position."""
        ...

    def import_from(self, lines: Iterable[str]) -> int:
        """Take the lines of an export, all or nothing."""
        ...

    def log_hash(self) -> str:
        """SHA-256 over all records."""
        ...


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored."""

    events: int
    log_hash: str
    epoch: str
    """The life of the log from now on."""
    messages: int
    """How many messages were read; more than events where some were there repeatedly."""


def refuse_filled(head: int) -> None:
    """Raises LogNotEmpty."""
    if head:
        raise LogNotEmpty(f"the log has {head} events", head=head)


def restore_from_kafka(
    log: EmptyLog, kafka: Kafka, topic: str, *, database_url: str | None = None, folder: Path | None = None
) -> Restored:
    """Read every partition to its present end and write the log in one import.

    `database_url`: where the relay's rows lie; None for a log in a file, which has none. `folder`: where
    there is room for a copy of the log meanwhile; default: the system's temporary folder. The consumers' and
    the relay's processes must not run. Raises LogNotEmpty, TopicMissing, RestoreNothingFound, RestoreHole,
    RestoreContradiction, RestoreChainBroken, MessageMalformed, MessageDamaged, KafkaUnreachable,
    LogLineRefused.
    """
    refuse_filled(log.head())
    partitions = partition_count(admin_client(kafka), topic)
    with (
        tempfile.TemporaryDirectory(prefix="optaic-restore-", dir=folder) as aside,
        Staging(Path(aside) / "staged") as staging,
    ):
        delivered, messages = _stage(staging, kafka, topic, partitions)
        end = staging.end()
        if not end.position:
            raise RestoreNothingFound(f"{topic} holds no message", topic=topic)
        if database_url is not None:
            # before the import: if it fails, the log is still empty and the command can be repeated
            _set_progress(database_url, partitions, end.position, end.tenants, delivered, end.epoch)
        events = log.import_from(staging.lines())
    return Restored(events=events, log_hash=log.log_hash(), epoch=end.epoch, messages=messages)


def _stage(staging: Staging, kafka: Kafka, topic: str, partitions: int) -> tuple[dict[int, Delivered], int]:
    from confluent_kafka import Consumer, KafkaException

    consumer = Consumer(kafka.consumer(f"{topic}.restore"))
    delivered: dict[int, Delivered] = {}
    messages = 0
    try:
        for partition in range(partitions):
            low, high = bounds_of(consumer, topic, partition)
            for one in read_partition(consumer, topic, partition, low, high):
                found = from_message(one.headers(), one.key(), one.value())  # type: ignore[arg-type]
                staging.add(found)
                messages += 1
                if partition not in delivered or found.position >= delivered[partition].position:
                    delivered[partition] = Delivered(found.position, one.offset() or 0)
    except KafkaException as error:
        raise KafkaUnreachable(f"{topic} cannot be read: {error.args[0]}") from error
    finally:
        consumer.close()
    return delivered, messages


def _set_progress(
    database_url: str,
    partitions: int,
    position: int,
    tenants: dict[str, int],
    delivered: dict[int, Delivered],
    epoch: str,
) -> None:
    rows = engine(database_url, application_name="optaic-mlops restore", pool_size=1)
    try:
        PostgresProgress(rows, uuid4().hex).begin(partitions, position, tenants, delivered, epoch)
    finally:
        rows.dispose()
