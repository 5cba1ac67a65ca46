"""What the topic holds at its end, compared with the log: Kafka must not know more than the log does."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from domain.shared.errors import Kind, RuleBroken
from infrastructure.activity_log.record import record_of
from infrastructure.kafka.clients import Kafka, KafkaUnreachable
from infrastructure.kafka.messages import ActivityMessage, from_message
from infrastructure.kafka.relay import Delivered, LogPages, Standing
from infrastructure.kafka.relay_producer import TopicReplaced
from infrastructure.kafka.topics import bounds_of

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

_READ_S = 1.0
_SILENCES = 10


class KafkaAheadOfLog(RuleBroken):
    """The topic holds events that the log does not: the log was restored from before them."""

    kind = Kind.UNAVAILABLE
    remedy = (
        "Take the log from the topic: `restore --from-kafka` into an empty database. To give up those events "
        "instead, delete the activity topic and start the relay: it makes the topic and publishes everything."
    )


class KafkaOfOtherLog(RuleBroken):
    """The topic's last events are those of another log, or of another life of this one."""

    kind = Kind.UNAVAILABLE
    remedy = (
        "If the log was restored from a backup: `republish --from 0` where the topic's events are those of "
        "the log; where they differ, delete the activity topic and start the relay. Else check the addresses "
        "of database and Kafka."
    )


class LogEnd(LogPages, Protocol):
    """The log, and where it ends."""

    def head(self) -> int:
        """The last position."""
        ...


def compare_tail(
    kafka: Kafka, topic: str, partitions: int, standing: Standing | None, log: LogEnd, epoch: str | None
) -> None:
    """Look at each partition from the last event that the rows name (else: the last one) to its end.

    `epoch` None: messages of another life of the log are no reason to refuse. Raises KafkaAheadOfLog,
    KafkaOfOtherLog, TopicReplaced, MessageMalformed, MessageDamaged, KafkaUnreachable.
    """
    from confluent_kafka import Consumer, KafkaException

    consumer = Consumer(kafka.consumer(f"{topic}.tail"))
    try:
        for partition in range(partitions):
            known = standing.delivered.get(partition) if standing else None
            for offset, found in _tail(consumer, topic, partition, known):
                if known is not None and offset == known.offset and found.position != known.position:
                    detail = f"partition {partition}, offset {offset}: position {found.position}"
                    raise TopicReplaced(f"{detail}, published was {known.position}", partition=partition)
                _compare(found, log, epoch)
    except KafkaException as error:
        raise KafkaUnreachable(f"the end of {topic} cannot be read: {error.args[0]}") from error
    finally:
        consumer.close()


def _tail(
    consumer: "Consumer", topic: str, partition: int, known: Delivered | None
) -> Iterator[tuple[int, ActivityMessage]]:
    low, high = bounds_of(consumer, topic, partition)
    if known is not None and known.offset < 0:
        known = None
    if known is not None and known.offset >= high:
        detail = f"partition {partition} ends at offset {high}, published was {known.offset}"
        raise TopicReplaced(detail, partition=partition, end=high, published=known.offset)
    first = max(low, high - 1 if known is None else known.offset)
    for one in read_partition(consumer, topic, partition, first, high):
        yield one.offset() or 0, from_message(one.headers(), one.key(), one.value())  # type: ignore[arg-type]


def read_partition(
    consumer: "Consumer", topic: str, partition: int, first: int, end: int
) -> Iterator["Message"]:
    """The messages of a partition from an offset up to an end, in order. Raises KafkaUnreachable."""
    from confluent_kafka import KafkaError, TopicPartition

    if first >= end:
        return
    consumer.assign([TopicPartition(topic, partition, first)])
    due = first
    silences = 0
    while silences < _SILENCES:
        # no more than there is: the client waits until it has as many as it was asked for
        for one in consumer.consume(min(1_000, end - due), _READ_S):
            error, offset = one.error(), one.offset() or 0
            if one.partition() != partition:
                continue  # of the assignment before
            if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 (its public name)
                return
            if error is not None:
                raise KafkaUnreachable(f"{topic} partition {partition}: {error}")
            silences, due = -1, offset + 1
            if offset < end:
                yield one
            if due >= end:
                return
        silences += 1
    raise KafkaUnreachable(f"{topic} partition {partition}: nothing came for {_SILENCES * _READ_S:g} s")


def _compare(found: ActivityMessage, log: LogEnd, epoch: str | None) -> None:
    position = found.position
    row = next(iter(log.rows(position - 1, 1)), None)
    if row is None:
        head = log.head()
        detail = f"the topic holds position {position}, the log ends at {head}"
        raise KafkaAheadOfLog(detail, position=position, head=head)
    if record_of(row) != record_of(found.row):
        detail = f"position {position} is event {found.row[1]} on Kafka, {row[1]} in the log"
        raise KafkaOfOtherLog(detail, position=position)
    if epoch is not None and found.epoch != epoch:
        detail = f"position {position} was published by log {found.epoch}, this is {epoch}"
        raise KafkaOfOtherLog(detail, position=position, epoch=found.epoch)
