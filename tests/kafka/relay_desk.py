"""A relay under test: a log to write into, the relay here or in another process, what must be on Kafka."""

import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from application.ports import StreamWrite
from domain.run.events import RunMetricsLogged
from domain.run.pins import MetricPoint
from domain.shared.activity import Actor, Envelope, StreamKey
from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.record import Row, record_of
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.messages import ActivityMessage, from_message
from infrastructure.kafka.relay_role import Relay
from infrastructure.kafka.topics import Topics
from tests.kafka.conftest import murmur2, read_whole_topic
from tests.support.processes import ServerProcess, wait_until

TENANTS = tuple(f"tenant-{number}" for number in range(50))
REPOSITORY = Path(__file__).parents[2]


class Found(NamedTuple):
    """A message where it was found."""

    partition: int
    offset: int
    activity: ActivityMessage


def append(log: Any, tenant: str, reason: str | None = None) -> int:
    """One event in a stream of its own; returns its position."""
    points = (MetricPoint(name="loss", step=1, value=0.5),)
    stream = uuid4().hex
    event = RunMetricsLogged(run_id=stream, kind="training", instance="spx-alpha", points=points)
    envelope = Envelope(
        tenant=tenant,
        actor=Actor(principal="p_1"),
        command_id=uuid4(),
        body_hash=b"x" * 32,
        correlation_id=uuid4(),
        reason=reason,
    )
    return log.append(envelope, [StreamWrite(StreamKey("run_metrics", stream), 0, (event,))]).position


def append_many(log: Any, count: int, tenants: Sequence[str] = TENANTS) -> None:
    """So many events, tenant after tenant, from several callers at once."""
    with ThreadPoolExecutor(16) as callers:
        each = (tenants[number % len(tenants)] for number in range(count))
        assert all(callers.map(partial(append, log), each))


def whole_log(log: Any) -> list[Row]:
    """Every stored row."""
    rows: list[Row] = []
    while page := log.rows(len(rows), 5_000):
        rows += page
    return rows


def found_on(bootstrap: str, topic: str) -> list[Found]:
    """Every message of the activity topic, as another service reads it."""
    return [
        Found(one.partition, one.offset, from_message(one.headers, one.key, one.value))
        for one in read_whole_topic(bootstrap, topic)
    ]


def check(found: Iterable[Found], rows: Sequence[Row], partitions: int = 6) -> None:
    """Every event at least once, in log order in its partition once repetitions are dropped, chained."""
    previous: dict[int, int] = {}
    last_of: dict[str, int] = {}
    for row in rows:
        previous[row[0]] = last_of.get(row[2], 0)
        last_of[row[2]] = row[0]
    seen = set[int]()
    high = dict[int, int]()
    for partition, _, activity in found:
        position = activity.position
        assert partition == (murmur2(activity.tenant.encode()) & 0x7FFFFFFF) % partitions
        assert record_of(activity.row) == record_of(rows[position - 1])
        assert activity.previous == previous[position]
        if position not in seen:
            assert position > high.get(partition, 0), "a first delivery is out of order"
            high[partition] = position
            seen.add(position)
    assert seen == set(range(1, len(rows) + 1))


class RelayDesk:
    """A database with its log, topics, and relays on both."""

    def __init__(self, url: str, kafka: Kafka, topics: Topics) -> None:
        self.url = url
        self.kafka = kafka
        self.topics = topics
        self.log = open_postgres_log(url, SystemClock())
        self._relays: list[Relay] = []
        self._children: list[ServerProcess] = []

    def relay(self, kafka: Kafka | None = None, **options: Any) -> Relay:
        """A relay in this process, started."""
        relay = Relay(self.log, self.url, kafka or self.kafka, topics=self.topics, **options)
        self._relays.append(relay)
        relay.start()
        return relay

    def child(self, folder: Path, failpoints: str = "", silence_s: float = 10.0) -> ServerProcess:
        """A relay in a process of its own, started."""
        prefix = self.topics.activity.removesuffix(Topics().activity)
        command = [sys.executable, "-m", "tests.kafka.relay_child", self.url, self.kafka.bootstrap]
        command += [prefix, str(silence_s)]
        env = {**os.environ, "OPTAIC_MLOPS_FAILPOINTS": failpoints}
        log = folder / f"relay-{len(self._children)}.log"
        process = ServerProcess(command, log, cwd=REPOSITORY, env=env)
        process.start(lambda: True)
        self._children.append(process)
        return process

    def wait_published(self, relay: Relay, position: int | None = None, timeout_s: float = 60) -> None:
        """Wait until this relay has published up to a position, or to the head."""
        wanted = self.log.head() if position is None else position

        def is_so() -> bool:
            if relay.failure is not None:
                raise relay.failure
            return relay.status().facts["position"] >= wanted

        wait_until(is_so, f"position {wanted}: {relay.status()}", timeout_s)

    def wait_failed(self, relay: Relay) -> BaseException:
        """Wait until a relay gives up; why."""
        wait_until(lambda: relay.failure is not None, f"the relay goes on: {relay.status()}")
        assert relay.failure is not None
        return relay.failure

    def check(self, partitions: int = 6) -> list[Found]:
        """What is on the topic is the log; returns it."""
        found = found_on(self.kafka.bootstrap, self.topics.activity)
        check(found, whole_log(self.log), partitions)
        return found

    def close(self) -> None:
        """Stop every relay, kill every child."""
        for child in self._children:
            child.kill()
        for relay in self._relays:
            relay.stop()
        self.log.close()
