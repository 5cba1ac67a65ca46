"""Publishes the log to the topic again: after the topic was lost, replaced, or given other partitions."""

from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
from sqlalchemy import Engine

from domain.shared.errors import Kind, RuleBroken
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.holes import PartitionChain
from infrastructure.kafka.relay import PAGE, UNKNOWN_OFFSET, Delivered, LogPages, RelayStep
from infrastructure.kafka.relay_producer import ConfluentProducer
from infrastructure.kafka.relay_progress import PostgresProgress, open_rows, read_epoch, read_standing
from infrastructure.kafka.relay_role import SILENCE_S, TURN
from infrastructure.kafka.relay_tail import LogEnd, compare_tail
from infrastructure.kafka.relay_watch import TurnWatch
from infrastructure.kafka.topics import (
    TOPICS,
    TopicMissing,
    Topics,
    admin_client,
    check_activity,
    is_empty,
    make_topics,
    partition_count,
)
from infrastructure.postgres.turns import Turn

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient


class RelayActive(RuleBroken):
    """A relay publishes now; two at once would repeat each other's messages."""

    kind = Kind.STATE
    remedy = "Stop every relay process, run the command, and start them again."


class RepublishBeyondProgress(RuleBroken):
    """What lies before that position was never published: beginning there would leave it out."""

    kind = Kind.STATE
    remedy = "Begin at an earlier position; 0 is always right."


class TopicNotEmpty(RuleBroken):
    """With other partitions a tenant's events would lie in two of them: a re-key needs an empty topic."""

    kind = Kind.STATE
    remedy = "Stop the consumers, delete the activity topic, and run the command again: it makes a new one."


class Republished(msgspec.Struct, frozen=True, kw_only=True):
    """What was done."""

    topic: str
    partitions: int
    first: int
    """The first position that was published again."""
    last: int
    """All up to here is on the topic."""
    messages: int


def republish(
    log: LogEnd,
    database_url: str,
    kafka: Kafka,
    *,
    from_position: int = 0,
    rekey_to: int | None = None,
    topics: Topics = TOPICS,
    partitions: int = 6,
    replication: int = 1,
) -> Republished:
    """Publish every event from a position on, up to the head as it is now; 0 is the beginning.

    A missing topic is made: with as many partitions as were published, `partitions` where nothing ever was.
    `rekey_to`: the new number of partitions; the topic must be empty or missing, and everything is published.
    Dies it on the way, the relay goes on where it ended. Raises RelayActive, RepublishBeyondProgress,
    TopicNotEmpty, TopicPartitionsChanged, TopicRetentionLimited, TopicCompacted, KafkaAheadOfLog,
    KafkaOfOtherLog, DeliveryFailed, KafkaUnreachable.
    """
    turn = Turn(database_url, TURN, silence_s=SILENCE_S)
    if not turn.take():
        raise RelayActive("another process has the relay's turn")
    rows = open_rows(database_url)
    try:
        with TurnWatch(turn, SILENCE_S / 4) as watch:
            start = 0 if rekey_to else max(0, from_position - 1)
            _refuse_gap(rows, start)
            _make_missing(rows, kafka, topics, rekey_to, partitions, replication)
            count = _checked(log, rows, kafka, topics.activity, rekey_to)
            progress = PostgresProgress(rows, uuid4().hex)
            tenants = last_of_tenants(log, start)
            chain = PartitionChain.after(tenants, count)
            before = {part: Delivered(last, UNKNOWN_OFFSET) for part, last in chain.last.items()}
            progress.begin(count, start, tenants, before)
            producer = ConfluentProducer(kafka, topics.activity, {}, watch.look)
            steps = partial(RelayStep, log, progress, producer, epoch=read_epoch(rows))
            try:
                messages = _run(steps(position=start, chain=chain), log.head(), watch)
            finally:
                producer.close()
    finally:
        rows.dispose()
        turn.release()
    return Republished(
        topic=topics.activity, partitions=count, first=start + 1, last=start + messages, messages=messages
    )


def _refuse_gap(rows: Engine, start: int) -> None:
    standing = read_standing(rows)
    published = standing.position if standing else 0
    if start > published:
        raise RepublishBeyondProgress(f"published is up to {published}, not {start}", published=published)


def _make_missing(
    rows: Engine, kafka: Kafka, topics: Topics, rekey_to: int | None, partitions: int, replication: int
) -> None:
    """Make the topics that are missing; one that holds messages keeps its order, so it is not re-keyed."""
    admin = admin_client(kafka)
    there = _partitions_there(admin, topics.activity)
    if rekey_to and there and not is_empty(kafka, topics.activity, there):
        raise TopicNotEmpty(f"{topics.activity} holds messages", topic=topics.activity)
    make_topics(admin, topics, rekey_to or _published(rows) or there or partitions, replication)


def _checked(log: LogEnd, rows: Engine, kafka: Kafka, topic: str, rekey_to: int | None) -> int:
    """The number of partitions of a topic that fits the log and what was published before."""
    count = check_activity(admin_client(kafka), topic, rekey_to or _published(rows))
    compare_tail(kafka, topic, count, None, log, None)
    return count


def _published(rows: Engine) -> int | None:
    standing = read_standing(rows)
    return standing.partitions if standing else None


def _partitions_there(admin: "AdminClient", topic: str) -> int | None:
    try:
        return partition_count(admin, topic)
    except TopicMissing:
        return None


def last_of_tenants(log: LogPages, position: int, page: int = PAGE) -> dict[str, int]:
    """The last position of each tenant up to a position; reads the log from its beginning."""
    last: dict[str, int] = {}
    after = 0
    while after < position and (rows := log.rows(after, min(page, position - after))):
        last.update({row[2]: row[0] for row in rows})
        after = rows[-1][0]
    return last


def _run(step: RelayStep, head: int, watch: TurnWatch) -> int:
    messages = 0
    while step.position < head:
        watch.ask()
        messages += step.run()
    return messages
