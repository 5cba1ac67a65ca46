"""An intake under test: a PostgreSQL log, topics, roles here or in processes, the other service."""

import os
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from kafka.consumer.fetcher import ConsumerRecord

from domain.dataset.events import DatasetCreated
from domain.shared.activity import RecordedEvent
from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.intake_role import CommandIntake
from infrastructure.kafka.topics import Topics
from optaic.mlops.commands import CommandPublisher
from tests.kafka.conftest import read_whole_topic
from tests.kafka.intake_child import SOURCES, bus_on
from tests.support.processes import ServerProcess, wait_until

REPOSITORY = Path(__file__).parents[2]


def dataset(name: str) -> dict[str, Any]:
    """The data of `create_dataset`."""
    return {"name": name, "declaration": {"columns": [{"name": "close", "type": "float64"}]}}


class IntakeDesk:
    """Everything of one test; closed at its end."""

    def __init__(self, url: str, kafka: Kafka, topics: Topics, folder: Path) -> None:
        self.url = url
        self.kafka = kafka
        self.topics = topics
        self.folder = folder
        self.log = open_postgres_log(url, SystemClock())
        self.bus = bus_on(self.log, folder)
        self._roles: list[CommandIntake] = []
        self._children: list[ServerProcess] = []
        self._publishers: list[CommandPublisher] = []

    def intake(self, bus: Any = None, kafka: Kafka | None = None, **options: Any) -> CommandIntake:
        """An intake in this process, which has its partitions."""
        role = CommandIntake(
            bus or self.bus, kafka or self.kafka, SOURCES, topics=self.topics, group=self.group, **options
        )
        self._roles.append(role)
        role.start()
        wait_until(lambda: bool(role.status().facts["partitions"]), f"{role.status()}")
        return role

    @property
    def group(self) -> str:
        """A group of the test's own."""
        return f"{self.topics.commands}.intake"

    def child(self, failpoints: str = "") -> ServerProcess:
        """An intake in a process of its own, started."""
        prefix = self.topics.activity.removesuffix(Topics().activity)
        command = [sys.executable, "-m", "tests.kafka.intake_child", self.url, self.kafka.bootstrap]
        command += [prefix, str(self.folder)]
        log = self.folder / f"intake-{len(self._children)}.log"
        environment = {**os.environ, "OPTAIC_MLOPS_FAILPOINTS": failpoints}
        process = ServerProcess(command, log, cwd=REPOSITORY, env=environment)
        process.start(lambda: True)
        self._children.append(process)
        return process

    def publisher(self, tenant: str = "acme", **options: Any) -> CommandPublisher:
        """The other service."""
        publisher = CommandPublisher(
            self.kafka.bootstrap,
            tenant=tenant,
            service="datahub",
            commands_topic=self.topics.commands,
            results_topic=self.topics.results,
            **options,
        )
        self._publishers.append(publisher)
        return publisher

    def results(self) -> dict[UUID, list[dict[str, Any]]]:
        """All results by command id, in order."""
        found: dict[UUID, list[dict[str, Any]]] = {}
        for record in read_whole_topic(self.kafka.bootstrap, self.topics.results):
            said = msgspec.json.decode(record.value)
            found.setdefault(UUID(said["command_id"]), []).append(said)
        return found

    def dead_letters(self) -> list[tuple[ConsumerRecord, Mapping[str, bytes]]]:
        """All dead letters with their headers by name."""
        records = read_whole_topic(self.kafka.bootstrap, self.topics.dead_letters)
        return [(record, dict(record.headers)) for record in records]

    def events(self) -> list[RecordedEvent]:
        """The whole log."""
        events: list[RecordedEvent] = []
        while page := self.log.read(len(events), 5_000):
            events += page
        return events

    def datasets(self, tenant: str) -> list[str]:
        """The names of a tenant's datasets, in the order of the log."""
        made = (one.event for one in self.events() if one.tenant == tenant)
        return [event.name for event in made if isinstance(event, DatasetCreated)]

    def effects(self) -> Counter[UUID]:
        """Command id → its events; each test's commands have one event each."""
        return Counter(one.command_id for one in self.events())

    def close(self) -> None:
        """Stop and close everything."""
        for child in self._children:
            child.kill()
        for publisher in self._publishers:
            publisher.close()
        for role in self._roles:
            role.stop()
        self.log.close()
