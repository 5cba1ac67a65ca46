"""Send commands over Kafka: for services that already live on it. `pip install optaic-mlops[kafka]`.

```python
from optaic.mlops.commands import CommandPublisher

with CommandPublisher("kafka:9092", tenant="acme", service="datahub") as commands:
    sent = commands.send("compact_dataset", {"dataset": "us-prices"})
    print(commands.wait_for_result(sent, timeout_s=30).outcome)
```

A command whose acknowledgement or result was lost is sent again with the same `command_id`: it has one
effect, and its result comes again. docs/kafka.md lists all commands with an example each.
"""

import json
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

COMMANDS_TOPIC = "optaic.mlops.commands.v1"
RESULTS_TOPIC = "optaic.mlops.command-results.v1"
_TYPE_PREFIX = "optaic.mlops.command."
_POLL_MS = 200
_KEPT = 10_000


class KafkaClientMissing(ImportError):
    """kafka-python is not installed."""


class CommandNotSent(Exception):
    """The brokers did not acknowledge the command: send it again with the same `command_id`."""

    def __init__(self, command_id: UUID, cause: str) -> None:
        super().__init__(f"command {command_id} may or may not have been taken: {cause}")
        self.command_id = command_id


@dataclass(frozen=True)
class CommandResult:
    """What became of a command."""

    command_id: UUID
    outcome: str
    """`accepted`, `unchanged` (everything was as asked already) or `refused`."""
    code: str | None = None
    """The rule that refused it, as in docs/errors.md."""
    problem: Mapping[str, Any] | None = None
    """The refusal as over HTTP: detail, remedy, facts; where a gate refused, its report."""
    position: int | None = None
    """Where it stands in the log: read with `after=` this to see what it did."""
    refs: tuple[str, ...] = ()
    """`type:id` of each resource that its events are about."""
    versions: Mapping[str, int] = field(default_factory=dict[str, int])
    """Stream version after it, by the same `type:id`; `expected_versions` of a later command names them."""

    @property
    def is_refused(self) -> bool:
        """Whether a rule refused it."""
        return self.outcome == "refused"


class CommandPublisher:
    """Sends a tenant's commands in the name of a service and reads what became of them.

    The service's settings must name the source `/optaic/<tenant>/<service>`. `options` are kafka-python's
    (`security_protocol`, `sasl_mechanism` ...). Safe for several threads.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        tenant: str,
        service: str,
        on_behalf_of: str | None = None,
        commands_topic: str = COMMANDS_TOPIC,
        results_topic: str = RESULTS_TOPIC,
        **options: Any,
    ) -> None:
        """`on_behalf_of`: the person for whom the service acts; recorded, never authorised by.

        Raises KafkaClientMissing.
        """
        kafka = _kafka()
        self._tenant = tenant
        self._source = f"/optaic/{tenant}/{service}"
        self._on_behalf_of = on_behalf_of
        self._commands_topic = commands_topic
        self._producer: Any = kafka.KafkaProducer(
            bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, **options
        )
        self._reader = _Results(kafka, bootstrap, results_topic, tenant, options)

    def send(
        self,
        command: str,
        data: Mapping[str, Any],
        *,
        command_id: UUID | str | None = None,
        reason: str | None = None,
        expected_versions: Mapping[str, int] | None = None,
        correlation_id: UUID | str | None = None,
        causation_id: UUID | str | None = None,
        timeout_s: float = 30,
    ) -> UUID:
        """Send a command and wait until the brokers have it; returns its id.

        `command` is its name (`stage_version`), `data` its fields, `expected_versions` by `type:id`
        the stream versions that must be current. Default id: a fresh one. Raises CommandNotSent.
        """
        known = UUID(str(command_id)) if command_id else uuid4()
        envelope = {
            "command_id": str(known),
            "type": command,
            "data": dict(data),
            "expected_versions": dict(expected_versions) if expected_versions else None,
            "reason": reason,
            "correlation_id": str(correlation_id) if correlation_id else None,
            "causation_id": str(causation_id) if causation_id else None,
        }
        attributes = {
            "id": str(known),
            "source": self._source,
            "type": _TYPE_PREFIX + command,
            "partitionkey": self._tenant,
            "onbehalfof": self._on_behalf_of,
        }
        self._reader.forget(known)
        self._deliver(known, _encoded(envelope), _headers(attributes), timeout_s)
        return known

    def wait_for_result(self, command_id: UUID | str, timeout_s: float = 30) -> CommandResult:
        """What became of a command that was sent here. Raises TimeoutError.

        A message that is no command of the service (see docs/kafka.md) has no result: it is put aside on
        `optaic.mlops.commands.dlq.v1` with the reason.
        """
        return self._reader.wait(UUID(str(command_id)), timeout_s)

    def results(self, silence_s: float = 5) -> Iterator[CommandResult]:
        """All results of the tenant, also of others' commands, as they come, until none comes for so long."""
        return self._reader.follow(silence_s)

    def close(self) -> None:
        """Close the connections; twice is once."""
        self._producer.close()
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _deliver(
        self, command_id: UUID, value: bytes, headers: list[tuple[str, bytes]], timeout_s: float
    ) -> None:
        try:
            sending = self._producer.send(
                self._commands_topic, value=value, key=self._tenant.encode(), headers=headers
            )
            sending.get(timeout=timeout_s)
        except Exception as error:
            raise CommandNotSent(command_id, f"{error.__class__.__name__}: {error}") from error


class _Results:
    """Reads the tenant's partition of the results from its end at the beginning on."""

    def __init__(
        self, kafka: Any, bootstrap: str, topic: str, tenant: str, options: Mapping[str, Any]
    ) -> None:
        self._consumer = kafka.KafkaConsumer(
            bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, **options
        )
        self._tenant = tenant
        self._lock = threading.Lock()
        self._found: dict[UUID, CommandResult] = {}
        self._is_closed = False
        place = kafka.TopicPartition(topic, self._partition(topic, tenant))
        self._consumer.assign([place])
        self._consumer.seek_to_end(place)
        self._consumer.position(place)  # now, not at the first poll: results of what is sent next come after

    def wait(self, command_id: UUID, timeout_s: float) -> CommandResult:
        deadline = time.monotonic() + timeout_s
        while command_id not in self._found:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no result of command {command_id} within {timeout_s:g} s")
            self._poll()
        return self._found[command_id]

    def forget(self, command_id: UUID) -> None:
        self._found.pop(command_id, None)

    def follow(self, silence_s: float) -> Iterator[CommandResult]:
        heard = time.monotonic()
        while time.monotonic() - heard < silence_s:
            for result in self._poll():
                yield result
                heard = time.monotonic()

    def close(self) -> None:
        with self._lock:
            if not self._is_closed:
                self._consumer.close()
            self._is_closed = True

    def _poll(self) -> list[CommandResult]:
        with self._lock:
            polled = self._consumer.poll(timeout_ms=_POLL_MS)
            records = [one for page in polled.values() for one in page]
            results = [_result(one.value) for one in records if one.key == self._tenant.encode()]
            for result in results:
                self._found.setdefault(result.command_id, result)
            while len(self._found) > _KEPT:
                del self._found[next(iter(self._found))]
            return results

    def _partition(self, topic: str, tenant: str) -> int:
        partitions = sorted(self._consumer.partitions_for_topic(topic) or ())
        if not partitions:
            raise LookupError(f"there is no topic {topic}")
        hashed: int = import_module("kafka.partitioner.default").murmur2(tenant.encode())
        return partitions[(hashed & 0x7FFFFFFF) % len(partitions)]


def _kafka() -> Any:
    try:
        with warnings.catch_warnings():
            # kafka-python 3.0 loads its schemas in a way that Python 3.11 calls old
            warnings.simplefilter("ignore", DeprecationWarning)
            return import_module("kafka")
    except ImportError as error:
        raise KafkaClientMissing(
            "sending commands over Kafka needs kafka-python: pip install optaic-mlops[kafka]"
        ) from error


def _headers(attributes: Mapping[str, str | None]) -> list[tuple[str, bytes]]:
    fixed = [("ce_specversion", b"1.0"), ("content-type", b"application/json")]
    return fixed + [(f"ce_{name}", text.encode()) for name, text in attributes.items() if text is not None]


def _encoded(envelope: Mapping[str, Any]) -> bytes:
    present = {name: value for name, value in envelope.items() if value is not None}
    return json.dumps(present, allow_nan=False, ensure_ascii=False).encode()


def _result(value: bytes) -> CommandResult:
    said = json.loads(value)
    return CommandResult(
        command_id=UUID(said["command_id"]),
        outcome=said["outcome"],
        code=said.get("code"),
        problem=said.get("problem"),
        position=said.get("position"),
        refs=tuple(said.get("refs", ())),
        versions=said.get("versions", {}),
    )
