"""Publishes the log to the topic again: after the topic was lost, replaced, or given other partitions."""

from collections.abc import Callable
from functools import partial
from uuid import uuid4

import msgspec
from sqlalchemy import Engine

from domain.shared.errors import Kind, RuleBroken
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.holes import PartitionChain
from infrastructure.kafka.relay import PAGE, UNKNOWN_OFFSET, Delivered, LogPages, RelayStep
from infrastructure.kafka.relay_producer import ConfluentProducer
from infrastructure.kafka.relay_progress import PostgresProgress, read_epoch, read_standing
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
from infrastructure.postgres.connections import engine
from infrastructure.postgres.turns import Turn


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
    replication: int = 1,
    told: Callable[[int], None] = lambda _: None,
) -> Republished:
    """Publish every event from a position on, up to the head as it is now; 0 is the beginning.

    A missing topic is made. `rekey_to`: the new number of partitions; the topic must be empty or missing, and
    everything is published. Dies it on the way, the relay goes on where it ended. `told` hears each position
    reached. Raises RelayActive, RepublishBeyondProgress, TopicNotEmpty, TopicPartitionsChanged,
    TopicRetentionLimited, TopicCompacted, KafkaAheadOfLog, KafkaOfOtherLog, DeliveryFailed, KafkaUnreachable.
    """
    turn = Turn(database_url, TURN, silence_s=SILENCE_S)
    if not turn.take():
        raise RelayActive("another process has the relay's turn")
    rows = engine(database_url, application_name="optaic-mlops republish", pool_size=1, overflow=2)
    try:
        with TurnWatch(turn, SILENCE_S / 4) as watch:
            start = 0 if rekey_to else max(0, from_position - 1)
            count = _prepared(log, rows, kafka, topics, start, rekey_to, replication)
            progress = PostgresProgress(rows, uuid4().hex)
            tenants = last_of_tenants(log, start)
            chain = PartitionChain.after(tenants, count)
            before = {part: Delivered(last, UNKNOWN_OFFSET) for part, last in chain.last.items()}
            progress.begin(count, start, tenants, before)
            producer = ConfluentProducer(kafka, topics.activity, {}, watch.look)
            steps = partial(RelayStep, log, progress, producer, epoch=read_epoch(rows))
            try:
                messages = _run(steps(position=start, chain=chain), log.head(), watch, told)
            finally:
                producer.close()
    finally:
        rows.dispose()
        turn.release()
    return Republished(
        topic=topics.activity, partitions=count, first=start + 1, last=start + messages, messages=messages
    )


def _prepared(
    log: LogEnd,
    rows: Engine,
    kafka: Kafka,
    topics: Topics,
    start: int,
    rekey_to: int | None,
    replication: int,
) -> int:
    """Refuse what would tear a hole or mix two orders, make what is missing; the number of partitions."""
    standing = read_standing(rows)
    if start > (standing.position if standing else 0):
        at = standing.position if standing else 0
        raise RepublishBeyondProgress(f"published is up to {at}, not {start}", published=at)
    admin = admin_client(kafka)
    wanted = rekey_to or (standing.partitions if standing else None)
    if rekey_to and not _is_missing_or_empty(kafka, topics.activity):
        raise TopicNotEmpty(f"{topics.activity} holds messages", topic=topics.activity)
    make_topics(admin, topics, wanted or partition_count(admin, topics.activity), replication)
    count = check_activity(admin, topics.activity, wanted)
    compare_tail(kafka, topics.activity, count, None, log, None)
    return count


def _is_missing_or_empty(kafka: Kafka, topic: str) -> bool:
    try:
        return is_empty(kafka, topic, partition_count(admin_client(kafka), topic))
    except TopicMissing:
        return True


def last_of_tenants(log: LogPages, position: int, page: int = PAGE) -> dict[str, int]:
    """The last position of each tenant up to a position; reads the log from its beginning."""
    last: dict[str, int] = {}
    after = 0
    while after < position and (rows := log.rows(after, min(page, position - after))):
        last.update({row[2]: row[0] for row in rows})
        after = rows[-1][0]
    return last


def _run(step: RelayStep, head: int, watch: TurnWatch, told: Callable[[int], None]) -> int:
    messages = 0
    while step.position < head:
        watch.ask()
        messages += step.run()
        told(step.position)
    return messages
