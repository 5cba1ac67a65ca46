"""The relay's producer: confluent_kafka, idempotent, without gaps, patient while the broker is away."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from domain.shared.errors import Kind, RuleBroken
from infrastructure.kafka.clients import Kafka, Options
from infrastructure.kafka.cloud_events import Message
from infrastructure.kafka.relay import Delivered

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

LOOK_S = 0.5
"""How often a producer that waits looks whether it may still publish."""


class DeliveryFailed(RuleBroken):
    """Kafka gave a message back; nothing of the page counts as published."""

    kind = Kind.UNAVAILABLE
    remedy = "Nothing: the relay begins again from its progress. The detail says what Kafka answered."


class TopicReplaced(RuleBroken):
    """The topic ends before what was published to it: it was deleted and made again, or cut."""

    kind = Kind.UNAVAILABLE
    remedy = (
        "Stop the relay; delete the topic if anything lies in it, for it would be out of order; then run "
        "`republish --from 0`, which makes the topic, and start the relay again."
    )


def relay_options(kafka: Kafka) -> Options:
    """No message is given up by time: giving one up while later ones go through would tear a hole."""
    given = kafka.producer()
    for name in ("delivery.timeout.ms", "message.timeout.ms"):
        given.pop(name, None)
    return {
        **given,
        "delivery.timeout.ms": 0,
        "enable.gapless.guarantee": True,
        "socket.timeout.ms": 10_000,
        "topic.metadata.propagation.max.ms": 5_000,
        "topic.metadata.refresh.interval.ms": 10_000,
        "log_level": 2,
    }


class ConfluentProducer:
    """One producer life: after a failure it is closed and another one begins."""

    def __init__(
        self, kafka: Kafka, topic: str, delivered: Mapping[int, Delivered], may_go_on: Callable[[], None]
    ) -> None:
        """`may_go_on` raises when waiting has to end; it is asked about every half second while waiting."""
        from confluent_kafka import KafkaException, Producer

        self._errors = KafkaException
        self._producer = Producer(relay_options(kafka))
        self._topic = topic
        self._may_go_on = may_go_on
        self._ends = {number: last.offset for number, last in delivered.items() if last.offset >= 0}
        self._last = dict[int, Delivered]()
        self._failure: RuleBroken | None = None
        self._open = 0

    def send(self, message: Message, position: int, at_ms: int) -> None:
        """Hand over. Raises DeliveryFailed, TopicReplaced, and what `may_go_on` raises."""
        while True:
            try:
                self._produce(message, position, at_ms)
            except BufferError:
                self._producer.poll(LOOK_S)
                self._may_go_on()
                self._raise_failure()
            else:
                return

    def _produce(self, message: Message, position: int, at_ms: int) -> None:
        try:
            self._producer.produce(
                self._topic,
                message.value,
                message.key,
                headers=message.headers,  # type: ignore[arg-type]
                timestamp=at_ms,
                on_delivery=partial(self._reported, position),
            )
        except self._errors as error:
            raise DeliveryFailed(f"position {position}: {error.args[0]}", position=position) from error
        self._open += 1

    def _reported(self, position: int, error: "KafkaError | None", report: Any) -> None:
        self._open -= 1
        if error is not None:
            self._fail(DeliveryFailed(f"position {position}: {error}", position=position))
            return
        partition, offset = report.partition(), report.offset()
        end = self._ends.get(partition, -1)
        if offset <= end:
            detail = f"partition {partition}: offset {offset} follows {end}"
            self._fail(TopicReplaced(detail, partition=partition, offset=offset, published=end))
        self._ends[partition] = offset
        self._last[partition] = Delivered(position, offset)

    def _fail(self, failure: RuleBroken) -> None:
        self._failure = self._failure or failure

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def settle(self) -> Mapping[int, Delivered]:
        """Wait for every acknowledgement. Raises DeliveryFailed, TopicReplaced, what `may_go_on` raises."""
        while self._open and self._failure is None:
            if self._producer.flush(LOOK_S):
                self._may_go_on()
        self._raise_failure()
        last, self._last = self._last, {}
        return last

    def close(self) -> None:
        """Give up what is not delivered; what is on its way may still arrive, in its order."""
        self._producer.purge(in_queue=True, in_flight=True, blocking=True)
        self._failure = None
        self._producer.flush(1.0)
