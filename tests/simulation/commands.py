"""The other services of a simulation: commands, repeated, reordered across keys, or under a used id."""

from collections import Counter
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from infrastructure.kafka.cloud_events import Message, binary
from infrastructure.kafka.dead_letters import Record
from infrastructure.kafka.intake import Answer
from infrastructure.kafka.intake_reading import TYPE_PREFIX
from infrastructure.kafka.partitions import partition_of
from infrastructure.settings import CommandSource
from tests.simulation.broker import PARTITIONS
from tests.simulation.rows import TENANTS
from tests.support.valid import digest

TOPIC = "commands"
SOURCES = {
    f"/optaic/{tenant}/hub": CommandSource(tenant=tenant, principal="service:hub") for tenant in TENANTS
}
_NAMES = ("alpha", "beta", "gamma")
_COLUMNS = {"columns": [{"name": "close", "type": "float64"}]}
_ANNOUNCED = {
    "files": [{"location": "lake", "key": "a.parquet", "sha256": digest("a"), "rows": 1}],
    "knowledge_first": "2024-01-02T00:00:00Z",
    "knowledge_last": "2024-01-02T00:00:00Z",
    "producer": {"service": "hub"},
}


class Sent(NamedTuple):
    """One message that a service gave to the broker."""

    tenant: str
    command_id: UUID | None
    """None: it is no command at all."""
    message: Message


class Clients:
    """Makes messages. The broker has acknowledged whatever was put; after a lost answer, twice."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._sent: list[tuple[str, dict[str, Any]]] = []

    def next(self) -> Sent:
        """A new command mostly; else one that was sent before, or something that is none."""
        choice = self._random.random()
        if choice < 0.05:
            tenant = self._random.choice(TENANTS)
            return Sent(tenant, None, Message(tenant.encode(), b"\xff no event", []))
        if self._sent and choice < 0.35:
            return _as_sent(*self._random.choice(self._sent[-40:]))
        if self._sent and choice < 0.42:
            tenant, body = self._random.choice(self._sent)
            return _as_sent(tenant, {**body, "reason": "another body"})
        tenant = self._random.choice(TENANTS)
        body = self._body()
        self._sent.append((tenant, body))
        return _as_sent(tenant, body)

    def _body(self) -> dict[str, Any]:
        command_id = str(UUID(int=self._random.getrandbits(128), version=4))
        name = self._random.choice(_NAMES)
        if self._random.random() < 0.4:
            data = {"name": name, "declaration": _COLUMNS}
            return {"command_id": command_id, "type": "create_dataset", "data": data}
        body: dict[str, Any] = {"command_id": command_id, "type": "register_dataset_version"}
        if self._random.random() < 0.5:
            body["expected_versions"] = {f"dataset:{name}": self._random.randint(0, 3)}
        return {**body, "data": {"dataset": name, **_ANNOUNCED}}


def _as_sent(tenant: str, body: dict[str, Any]) -> Sent:
    attributes: dict[str, str | None] = {
        "id": body["command_id"],
        "source": f"/optaic/{tenant}/hub",
        "type": TYPE_PREFIX + body["type"],
    }
    return Sent(tenant, UUID(body["command_id"]), binary(attributes, msgspec.json.encode(body), tenant))


class CommandTopics:
    """The three topics of commands, and where the group of the intakes stands."""

    def __init__(self) -> None:
        self.sent: list[list[Sent]] = [[] for _ in range(PARTITIONS)]
        self.committed: dict[int, int] = {}
        self.results: dict[UUID, list[dict[str, Any]]] = {}
        self.dead_letters: Counter[tuple[int, int]] = Counter()

    def put(self, sent: Sent) -> None:
        """The broker has it."""
        self.sent[partition_of(sent.tenant, PARTITIONS)].append(sent)

    def fetch(self, partition: int, offset: int, most: int) -> list[Record]:
        """Messages from an offset on."""
        found = self.sent[partition][offset : offset + most]
        return [Record(TOPIC, partition, number, *one.message) for number, one in enumerate(found, offset)]

    def keep(self, answer: Answer) -> None:
        """A result or a dead letter arrived."""
        if not answer.is_result:
            self.dead_letters[answer.record.partition, answer.record.offset] += 1
            return
        said = msgspec.json.decode(answer.value or b"")
        self.results.setdefault(UUID(said["command_id"]), []).append(said)
