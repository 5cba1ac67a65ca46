"""The group's client: FastStream's subscriber of the activity topic, and the partitions behind it.

FastStream (0.7) runs the loop, takes batches of up to 10,000 messages over all partitions of ours, and passes
on the group's callbacks (`on_assign`, `on_revoke`, `on_lost`). Three things go past it to the confluent
consumer that a callback receives: an assignment begins at the offset that lies with the rows
(`incremental_assign`), a partition that waits is held (`pause`), and goes on from its offset (`seek`,
`resume`). Nothing is acknowledged: no offset is ever committed to Kafka. Messages reach us as librdkafka made
them; FastStream's decoding of so many bodies is left out by a parser and a decoder of our own.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from faststream import AckPolicy
from faststream.confluent import KafkaBroker
from faststream.confluent.message import FAKE_CONSUMER, KafkaMessage

from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.consumer_assignment import FlowBroken

SESSION_MS, HEARTBEAT_MS = 6_000, 1_000
"""A consumer that died loses its partitions after the first; one that lost them hears of it by the second."""
POLL_MOST_MS = 60_000
"""A consumer that folds or waits so long without asking for more is taken for dead by its own client."""
BATCH = 10_000
"""Over all partitions: larger pages need fewer transactions (10 to 24 % over 2,000 in three pairs)."""
_POLL_S = 0.01
"""How long a batch gathers: it is on the way of every event, also of a lone one."""
_LOOK_S = 1.0

Batch = Sequence[Message]


async def _as_it_is(messages: Any) -> KafkaMessage:
    return KafkaMessage(raw_message=messages, body=b"", consumer=FAKE_CONSUMER, is_manual=True)


async def _raw(message: KafkaMessage) -> Any:
    return message.raw_message


class Member(NamedTuple):
    """Who reads, and what."""

    topic: str
    group: str
    instance: str | None
    """A name that lasts over restarts: the group then gives the same partitions back at once."""


class FatalWatch(logging.Handler):
    """Hears that the client gave up for good: its log alone says so, FastStream passes over the message."""

    def __init__(self, logger: logging.Logger, client_id: str, told: Callable[[str], None]) -> None:
        super().__init__(logging.CRITICAL)
        self._logger = logger
        self._client_id = client_id
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on what is about this client."""
        text = record.getMessage()
        if self._client_id in text:
            self._told(text)

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)


class Calls(NamedTuple):
    """What the client calls."""

    on_assign: Callable[[Consumer, list[TopicPartition]], None]
    on_revoke: Callable[[Consumer, list[TopicPartition]], None]
    on_error: Callable[[KafkaError], None]
    handle: Callable[[Batch], Awaitable[None]]


def activity_subscriber(
    kafka: Kafka, member: Member, calls: Calls, client_id: str, logger: Any = None
) -> KafkaBroker:
    """The broker with its one batch subscriber; nothing is connected before `start`."""
    options: Mapping[str, Any] = {"log_level": 2, **kafka.admin(), "error_cb": calls.on_error}
    broker = KafkaBroker(
        kafka.bootstrap,
        client_id=client_id,
        config=options,  # pyright: ignore[reportArgumentType] (librdkafka has more options than the type)
        allow_auto_create_topics=False,
        apply_types=False,
        logger=logger,
        log_level=logging.DEBUG,
        graceful_timeout=30.0,
    )
    subscriber = broker.subscriber(
        member.topic,
        batch=True,
        max_records=BATCH,
        polling_interval=_POLL_S,
        group_id=member.group,
        group_instance_id=member.instance,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        partition_assignment_strategy=("cooperative-sticky",),
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        max_poll_interval_ms=POLL_MOST_MS,
        fetch_max_wait_ms=20,
        max_partition_fetch_bytes=8 << 20,
        isolation_level="read_committed",
        on_assign=calls.on_assign,
        on_revoke=calls.on_revoke,
        on_lost=calls.on_revoke,
        parser=_as_it_is,
        decoder=_raw,
        title="ProjectActivities",
        description="Folds every activity into the views; offsets lie with the rows.",
    )
    subscriber(calls.handle)
    return broker


class ConfluentFlow:
    """`Flow` over the consumer that the group's callbacks hand out."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._consumer: Consumer | None = None

    def begin(self, consumer: Consumer, given: Sequence[int], offsets: Mapping[int, int | None]) -> None:
        """Let the new partitions begin where their views stand; hold those that could not be taken over."""
        self._consumer = consumer
        places = [self._at(each, offsets.get(each)) for each in given]
        consumer.incremental_assign(places)
        if places:
            consumer.resume(places)  # a pause outlives an assignment in the client
        for each in given:
            if each not in offsets:
                self.hold(each)

    def go_on(self, partition: int, offset: int | None) -> None:
        """Fetch from this offset on; None: from the beginning. Raises FlowBroken."""
        assert self._consumer is not None
        place = self._at(partition, offset)
        try:
            self._consumer.seek(place)
            self._consumer.resume([place])
        except KafkaException as error:
            raise FlowBroken(f"partition {partition} cannot go on yet: {error.args[0]}") from error

    def hold(self, partition: int) -> None:
        """Fetch nothing for now; a partition that is no longer ours needs no holding."""
        assert self._consumer is not None
        self._consumer.pause([self._at(partition, None)])

    def behind(self, partition: int, offset: int) -> int:
        """Messages from this offset to the partition's end, as the last fetch told it."""
        assert self._consumer is not None
        _, end = self._consumer.get_watermark_offsets(self._at(partition, None), cached=True)
        return max(0, end - offset)

    def dropped(self, partitions: Iterable[int]) -> set[int]:
        """Those of the partitions that the client no longer fetches without a word: it does that when it was
        fenced, and FastStream passes over the message that tells of it.
        """
        if self._consumer is None:
            return set()
        fetched = {each.partition for each in self._consumer.assignment() if each.topic == self._topic}
        return set(partitions) - fetched

    def trouble(self, partitions: int) -> str | None:
        """Why the topic cannot be read now, if it cannot."""
        if self._consumer is None:
            return "the group has not given any partition yet"
        try:
            found = self._consumer.list_topics(self._topic, timeout=_LOOK_S).topics[self._topic]
        except KafkaException as error:
            return f"the broker does not answer: {error.args[0].str()}"
        if found.error is not None:
            return f"{self._topic}: {found.error.str()}"
        if len(found.partitions) != partitions:
            return f"{self._topic} has {len(found.partitions)} partitions now, not {partitions}"
        return None

    def _at(self, partition: int, offset: int | None) -> TopicPartition:
        return TopicPartition(self._topic, partition, OFFSET_BEGINNING if offset is None else offset)
