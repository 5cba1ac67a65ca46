"""The options of every Kafka client of ours, made in one place from the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from domain.shared.errors import Kind, RuleBroken

if TYPE_CHECKING:
    from infrastructure.settings import Settings

Options: TypeAlias = dict[str, str | int | float | bool]

DELIVERY_S = 30
"""How long the producer tries to deliver a message before it gives it back."""
IN_FLIGHT_BYTES = 64 << 20


class KafkaNotNamed(RuleBroken):
    """This role talks to Kafka, and no address is set."""

    remedy = "Set OPTAIC_MLOPS_KAFKA_BOOTSTRAP to host:port."


class KafkaUnreachable(RuleBroken):
    """The broker did not answer."""

    kind = Kind.UNAVAILABLE
    remedy = "Look whether the broker runs, and whether its advertised address can be reached from here."


@dataclass(frozen=True, slots=True)
class Kafka:
    """Where the brokers are, and what else librdkafka's clients are to be told (security, say)."""

    bootstrap: str
    options: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, settings: "Settings") -> "Kafka":
        """As the settings say. Raises KafkaNotNamed."""
        if not settings.kafka_bootstrap:
            raise KafkaNotNamed("no Kafka address is set")
        return cls(settings.kafka_bootstrap, settings.kafka_options)

    def producer(self) -> Options:
        """Idempotent, acknowledged by all replicas, the partitioner of Java and of kafka-python."""
        return {
            **self._common(),
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            # every client of every language can read gzip without another library
            "compression.type": "gzip",
            "compression.level": 1,
            "linger.ms": 2,
            "batch.size": 1 << 20,
            "message.max.bytes": 4 << 20,
            "delivery.timeout.ms": DELIVERY_S * 1000,
            "queue.buffering.max.kbytes": IN_FLIGHT_BYTES >> 10,
            **self.options,
        }

    def consumer(self, group: str) -> Options:
        """Reads from the beginning, commits nothing by itself: offsets lie with the rows."""
        return {
            **self._common(),
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "fetch.message.max.bytes": 8 << 20,
            **self.options,
        }

    def admin(self) -> Options:
        """Makes and describes topics."""
        return {**self._common(), "socket.timeout.ms": 10_000, **self.options}

    def _common(self) -> Options:
        return {
            "bootstrap.servers": self.bootstrap,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1_000,
        }
