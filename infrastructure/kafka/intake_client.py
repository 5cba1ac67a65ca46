"""The clients of the intake: FastStream's subscriber of the commands, and the producer of its answers.

FastStream (0.7) runs the loop, takes batches and keeps the place in the group. Its acknowledgement commits
whatever was polled, without saying up to where, and does not wait for the answer; here offsets are committed
message for message, after the answers are on the brokers. So nothing is acknowledged by it, and the consumer
that its callback hands out commits and seeks.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from faststream import AckPolicy
from faststream.confluent import KafkaBroker
from faststream.confluent.message import FAKE_CONSUMER, KafkaMessage

from domain.shared.errors import Kind, RuleBroken
from infrastructure.kafka.clients import DELIVERY_S, Kafka
from infrastructure.kafka.dead_letters import Record
from infrastructure.kafka.intake import Answer
from infrastructure.kafka.topics import Topics

BATCH = 500
SESSION_MS, HEARTBEAT_MS = 6_000, 1_000
POLL_MOST_MS = 300_000
"""A command may take its time (a large blob is checked); after this it is given to another."""
_POLL_S = 0.01


class AnswersUndelivered(RuleBroken):
    """Kafka did not take all answers; their commands are taken again, and answered the same."""

    kind = Kind.UNAVAILABLE
    remedy = "Nothing: the intake tries again. The detail says what Kafka answered."


async def _as_it_is(messages: Any) -> KafkaMessage:
    return KafkaMessage(messages, b"", headers={}, consumer=FAKE_CONSUMER, is_manual=True)


async def _raw(message: KafkaMessage) -> Any:
    return message.raw_message


def commands_subscriber(
    kafka: Kafka,
    topic: str,
    group: str,
    *,
    on_assign: Callable[[Consumer, list[TopicPartition]], None],
    on_revoke: Callable[[Consumer, list[TopicPartition]], None],
    on_error: Callable[[Any], None],
    handle: Callable[[Sequence[Message]], Any],
    logger: Any = None,
) -> KafkaBroker:
    """The broker with its one batch subscriber; nothing is connected before `start`."""
    options: Mapping[str, Any] = {**kafka.admin(), "error_cb": on_error}
    broker = KafkaBroker(
        kafka.bootstrap,
        config=options,  # pyright: ignore[reportArgumentType] (librdkafka has more options than the type)
        allow_auto_create_topics=False,
        apply_types=False,
        logger=logger,
        graceful_timeout=30.0,
    )
    subscriber = broker.subscriber(
        topic,
        batch=True,
        max_records=BATCH,
        polling_interval=_POLL_S,
        group_id=group,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        partition_assignment_strategy=("cooperative-sticky",),
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        max_poll_interval_ms=POLL_MOST_MS,
        fetch_max_wait_ms=20,
        isolation_level="read_committed",
        on_assign=on_assign,
        on_revoke=on_revoke,
        on_lost=on_revoke,
        parser=_as_it_is,
        decoder=_raw,
    )
    subscriber(handle)
    return broker


def record_of(message: Message) -> Record:
    """A message as the step takes it."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    headers: Any = message.headers()
    return Record(topic, partition, offset, message.key(), message.value(), headers)


class Answers:
    """Sends answers and waits until the brokers have them. After a failure a new producer begins."""

    def __init__(self, kafka: Kafka, topics: Topics) -> None:
        self._kafka = kafka
        self._topics = topics
        self._producer: Producer | None = None

    def send(self, answers: Sequence[Answer]) -> None:
        """Return when all are delivered. Raises AnswersUndelivered."""
        errors: list[str] = []
        producer = self._producer = self._producer or Producer(self._kafka.producer())
        try:
            for answer in answers:
                self._hand_over(producer, answer, errors)
            if open_still := producer.flush(DELIVERY_S + 5):
                errors.append(f"{open_still} answers were not acknowledged")
        except (KafkaException, BufferError) as error:
            errors.append(str(error))
        if errors:
            self.close()
            raise AnswersUndelivered(errors[0], count=len(errors))

    def _hand_over(self, producer: Producer, answer: Answer, errors: list[str]) -> None:
        producer.produce(
            self._topics.results if answer.is_result else self._topics.dead_letters,
            answer.value,
            answer.key,
            headers=answer.headers,  # type: ignore[arg-type]
            on_delivery=lambda error, _: errors.append(str(error)) if error else None,
        )

    def close(self) -> None:
        """Give up what is not delivered."""
        if self._producer is not None:
            self._producer.purge(in_queue=True, in_flight=True, blocking=True)
            self._producer.flush(1.0)
            self._producer = None


def commit(consumer: Consumer, offsets: Mapping[tuple[str, int], int]) -> None:
    """Commit, and wait for it. Raises KafkaException, also where another one has the partition by now."""
    consumer.commit(offsets=_places(offsets), asynchronous=False)


def go_back(consumer: Consumer, offsets: Mapping[tuple[str, int], int]) -> None:
    """Poll from these offsets on. Raises KafkaException where the partition is no longer ours."""
    for place in _places(offsets):
        consumer.seek(place)


def _places(offsets: Mapping[tuple[str, int], int]) -> list[TopicPartition]:
    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
