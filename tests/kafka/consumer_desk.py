"""Consumers under test: a log that a relay publishes, consumers here or in processes of their own, and what
their views must hold.
"""

import os
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.consumers import Consumers
from infrastructure.kafka.partitions import partition_of
from infrastructure.kafka.relay_role import Relay
from infrastructure.kafka.topics import Topics
from infrastructure.postgres.connections import engine
from projections.engine.projection import Projection
from tests.kafka.consumer_child import made_consumers
from tests.kafka.plain_views import VIEWS, folded, install_plain_views
from tests.kafka.relay_desk import whole_log
from tests.projections.support.generated import Generator
from tests.support.processes import ServerProcess, wait_until

REPOSITORY = Path(__file__).parents[2]
TENANTS = tuple(f"desk-{number}" for number in range(50))
PARTITIONS = 6


class Child:
    """A process of the role."""

    def __init__(
        self, desk: "ConsumerDesk", folder: Path, instance: str, failpoints: str, views: str
    ) -> None:
        name = f"consumer-{secrets.token_hex(4)}"
        self._said = folder / f"{name}.status"
        self.log = folder / f"{name}.log"
        command = [sys.executable, "-m", "tests.kafka.consumer_child", desk.url, desk.bootstrap]
        command += [desk.topics.activity, desk.group, instance, str(self._said), views]
        environment = {**os.environ, "OPTAIC_MLOPS_FAILPOINTS": failpoints}
        self.process = ServerProcess(command, self.log, cwd=REPOSITORY, env=environment)
        self.process.start(lambda: True)

    @property
    def said(self) -> str:
        """The last status."""
        return self._said.read_text("utf-8") if self._said.exists() else ""

    @property
    def printed(self) -> str:
        """Its log."""
        return self.log.read_text("utf-8", "replace")


class ConsumerDesk:
    """A database with its log, topics, a relay and consumers."""

    def __init__(self, url: str, bootstrap: str, topics: Topics, seed: int = 5) -> None:
        self.url = url
        self.bootstrap = bootstrap
        self.topics = topics
        self.group = f"project-{secrets.token_hex(4)}"
        install_plain_views(url)
        self.log = open_postgres_log(url, SystemClock())
        self._generator = Generator(Random(seed), tenants=TENANTS)
        self._played = 0
        self._closing: list[Callable[[], None]] = [self.log.close]

    def play(self, events: int) -> int:
        """Append about so many more events of random life cycles; returns the head."""
        until = self.log.head() + events
        while self.log.head() < until:
            if self._played == len(self._generator.journal):
                self._generator.step()
            for _, envelope, writes in self._generator.journal[self._played :]:
                self.log.append(envelope, writes)
                self._played += 1
        return self.log.head()

    def relay(self, bootstrap: str | None = None, **options: Any) -> Relay:
        """A relay in this process, started."""
        relay = Relay(self.log, self.url, Kafka(bootstrap or self.bootstrap), topics=self.topics, **options)
        relay.start()
        self._closing.append(relay.stop)
        return relay

    def consumers(
        self,
        projections: Sequence[Projection] | None = None,
        url: str | None = None,
        bootstrap: str | None = None,
    ) -> Consumers:
        """Consumers in this process, started; by another way to the database or the broker if one is given.
        Those into the service's views are a group of their own.
        """
        group = self.group if projections is None else f"{self.group}-service"
        made, close = made_consumers(
            url or self.url,
            bootstrap or self.bootstrap,
            self.topics.activity,
            group,
            projections=projections,
        )
        made.start()
        self._closing += [close, made.stop]
        return made

    def child(self, folder: Path, instance: str = "", failpoints: str = "", views: str = "plain") -> Child:
        """Consumers in a process of their own, into `plain` views or those of the `service`."""
        child = Child(self, folder, instance, failpoints, views)
        self._closing.append(child.process.kill)
        return child

    def wait_folded(self, position: int | None = None, timeout_s: float = 60) -> None:
        """Wait until every view has every event up to a position, or to the head."""
        wanted = self.log.head() if position is None else position
        reader = engine(self.url, application_name="test")
        counting = text("SELECT count(DISTINCT position) FROM optaic_views.plain_folded WHERE view = :view")

        def is_so() -> bool:
            try:
                with reader.connect() as connection:
                    found = [connection.execute(counting, {"view": view}).scalar_one() for view in VIEWS]
            except DBAPIError:  # the database may be the one that is away
                return False
            return min(found) >= wanted

        try:
            wait_until(is_so, f"the views have not folded {wanted} events", timeout_s)
        finally:
            reader.dispose()

    def check(self) -> None:
        """Each view has folded each event once, each tenant's in log order, in the tenant's partition."""
        rows = whole_log(self.log)
        expected = {
            number: [(row[0], row[2]) for row in rows if partition_of(row[2], PARTITIONS) == number]
            for number in range(PARTITIONS)
        }
        assert len({row[2] for row in rows}) >= 40
        assert all(expected.values()), "every partition has tenants"
        for view, events in folded(self.url).items():
            for number in range(PARTITIONS):
                found = [(position, tenant) for position, tenant, partition in events if partition == number]
                assert found == expected[number], f"{view} of partition {number}"

    def close(self) -> None:
        """Stop everything, the last first."""
        for close in reversed(self._closing):
            close()
