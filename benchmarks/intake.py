"""Commands from Kafka, sustained: each has one event, and a result; nothing lost, nothing doubled.

Run: python -m benchmarks.intake [seconds]. Default: 60. One intake process on PostgreSQL and Kafka, both on
this machine beside it, as is the sender; 48 tenants over 6 partitions.
"""

import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from application.bus import Bus
from application.context import Services
from application.handlers import HANDLERS
from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.artifacts.store import FolderArtifactStore
from infrastructure.calendars import ExchangeSessions
from infrastructure.datasets.store import FolderDatasetStore
from infrastructure.identities import SystemIds
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.cloud_events import binary
from infrastructure.kafka.intake_reading import TYPE_PREFIX
from infrastructure.kafka.intake_role import CommandIntake
from infrastructure.kafka.topics import Topics, admin_client, make_topics
from infrastructure.settings import CommandSource
from tests.support.adapters import KnownPackages, LogLookups
from tests.support.kafka import broker_address
from tests.support.log_database import installed
from tests.support.postgres import fresh_database, server_url

TENANTS = tuple(f"tenant-{number}" for number in range(48))
PARTITIONS = 6
AHEAD = 4_000
"""Commands that wait at most: the sender keeps the intake busy, it does not fill the disk."""
DATA: dict[str, Any] = {"declaration": {"columns": [{"name": "close", "type": "float64"}]}}


def intake(url: str, bootstrap: str, prefix: str) -> None:
    """The intake's process: works until its input ends."""
    log, clock = open_postgres_log(url, SystemClock()), SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        artifacts = FolderArtifactStore(Path(folder) / "artifacts")
        sessions = ExchangeSessions()
        services = Services(
            log=log,
            artifacts=artifacts,
            datasets=FolderDatasetStore(Path(folder) / "datasets", zone_of=sessions.zone, locations={}),
            packages=KnownPackages(),
            sessions=sessions,
            lookups=LogLookups(log),
            clock=clock,
            ids=SystemIds(),
        )
        sources = {_source(one): CommandSource(tenant=one, principal="service:hub") for one in TENANTS}
        role = CommandIntake(
            Bus(services, HANDLERS), Kafka(bootstrap), sources, topics=Topics.prefixed(prefix), group=prefix
        )
        role.start()
        sys.stdin.read()
        role.stop()
        log.close()
        if role.failure is not None:
            raise role.failure


def _source(tenant: str) -> str:
    return f"/optaic/{tenant}/hub"


class Sender:
    """Sends commands as fast as the intake takes them, and reads the results."""

    def __init__(self, kafka: Kafka, topics: Topics) -> None:
        self._producer = Producer(kafka.producer())
        self._topics = topics
        self._consumer = Consumer(kafka.consumer(f"{topics.results}.bench"))
        self._consumer.assign([TopicPartition(topics.results, one, 0) for one in range(PARTITIONS)])
        self.sent = 0
        self.results = Counter[str]()
        self.outcomes = Counter[str]()

    def send(self) -> None:
        """One command; returns at once."""
        tenant, name = TENANTS[self.sent % len(TENANTS)], f"d-{self.sent}"
        command_id = str(uuid4())
        body = {"command_id": command_id, "type": "create_dataset", "data": {"name": name, **DATA}}
        attributes = {"id": command_id, "source": _source(tenant), "type": f"{TYPE_PREFIX}create_dataset"}
        message = binary(attributes, msgspec.json.encode(body), tenant)
        self._producer.produce(
            self._topics.commands,
            message.value,
            message.key,
            headers=message.headers,  # type: ignore[arg-type]
        )
        self.sent += 1

    def hear(self, timeout_s: float) -> None:
        """Read results that are there."""
        self._producer.poll(0)
        for record in self._consumer.consume(1_000, timeout_s):
            if not record.error():
                said = msgspec.json.decode(record.value() or b"")
                self.results[said["command_id"]] += 1
                self.outcomes[said["outcome"]] += 1

    def run(self, seconds: float) -> float:
        """Keep it busy for so long; the rate of results, from the first to the end."""
        while not self.results:
            self._fill(500)
            self.hear(0.1)
        begun, before = time.monotonic(), len(self.results)
        while time.monotonic() - begun < seconds:
            self._fill(AHEAD)
            self.hear(0.05)
        rate = (len(self.results) - before) / (time.monotonic() - begun)
        while len(self.results) < self.sent:
            self.hear(0.1)
        return rate

    def _fill(self, ahead: int) -> None:
        while self.sent - len(self.results) < ahead:
            self.send()

    def close(self) -> None:
        """Close the clients."""
        self._producer.flush(5)
        self._consumer.close()


def measured(seconds: float) -> None:
    """Print the rate, and what was lost or doubled."""
    prefix = f"bench{secrets.token_hex(4)}."
    topics = Topics.prefixed(prefix)
    with ExitStack() as opened:
        server, bootstrap = opened.enter_context(server_url()), opened.enter_context(broker_address())
        url = installed(opened.enter_context(fresh_database(server)))
        kafka = Kafka(bootstrap)
        make_topics(admin_client(kafka), topics, PARTITIONS)
        command = [sys.executable, "-m", "benchmarks.intake", "--intake", url, bootstrap, prefix]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            sender = Sender(kafka, topics)
            rate = sender.run(seconds)
            process.communicate(timeout=60)
        sender.close()
        log = open_postgres_log(url, SystemClock())
        lost, doubled = _compare(log, sender)
        log.close()
    print("| what | figure | target |\n|---|---|---|")
    print(f"| commands a second, sustained for {seconds:.0f} s | {rate:,.0f} | ≥ 1,000 |")
    print(f"| commands sent; lost; doubled | {sender.sent:,}; {lost}; {doubled} | 0; 0 |")


def _compare(log: Any, sender: Sender) -> tuple[int, int]:
    effects = Counter[str]()
    position = 0
    while page := log.read(position, 5_000):
        effects.update(str(one.command_id) for one in page)
        position = page[-1].position
    lost = sender.sent - len(effects) + sum(1 for one in effects if one not in sender.results)
    return lost, sum(count - 1 for count in effects.values())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--intake"]:
        intake(*sys.argv[2:])
    else:
        measured(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
