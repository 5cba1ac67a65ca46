"""Catching up from Kafka: messages that lie on the topic, folded into PostgreSQL by one process.

`python -m benchmarks.catch_up [events]` (default 200,000) fills a topic as the relay does, then prints
side by side, in one run: reading with a bare `confluent_kafka` consumer; reading and checking the messages
as the role does; the whole role into the service's views.
"""

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from confluent_kafka import Consumer, Producer

from benchmarks.rebuild import rows
from infrastructure.activity_log.payload import Decoder
from infrastructure.activity_log.reading import EventReader
from infrastructure.activity_log.record import Row
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.consumers import AWAY, Consumed, Consumers
from infrastructure.kafka.holes import PartitionChain
from infrastructure.kafka.messages import to_message
from infrastructure.kafka.partitions import PartitionPage
from infrastructure.kafka.topics import TOPICS, admin_client, make_topics
from projections.engine.errors import ViewFenced

PARTITIONS = 6
EPOCH = "benchmark"


class NoViews:
    """Takes every page and keeps nothing: what remains is reading, checking and decoding."""

    names = ("none",)

    def __init__(self, events: int, done: threading.Event) -> None:
        self._left = events
        self._done = done

    def stopped(self) -> dict[str, str]:
        """None."""
        return {}

    def assigned(self, partition: int) -> "Beginning":
        """From the beginning."""
        del partition
        return Beginning()

    def apply(self, pages: Sequence[PartitionPage]) -> dict[int, ViewFenced]:
        """Count."""
        self._left -= sum(len(page.events) for page in pages)
        if self._left == 0:
            self._done.set()
        return {}

    def revoked(self, partition: int) -> None:
        """Nothing is held."""


class Beginning:
    """Where everything starts."""

    offset = None
    position = 0


class NoLog:
    """There are no holes to fill."""

    def rows(self, after: int, limit: int) -> Sequence[Row]:
        """Never asked."""
        raise AssertionError(f"a hole after {after}: {limit}")


def publish(kafka: Kafka, stored: Sequence[Any], epoch: str = EPOCH) -> float:
    """Put rows on the topic as the relay does; returns the seconds."""
    producer = Producer({**kafka.producer(), "queue.buffering.max.messages": 1_000_000})
    chain, last = PartitionChain(PARTITIONS, {}), dict[str, int]()
    began = time.perf_counter()
    for row in stored:
        message = to_message(row, last.get(row[2], 0), epoch)
        last[row[2]] = row[0]
        headers: Any = [*message.headers, chain.link(row[2], row[0])]
        producer.produce(TOPICS.activity, message.value, message.key, headers=headers)
        producer.poll(0)
    producer.flush()
    return time.perf_counter() - began


def bare(kafka: Kafka, events: int) -> float:
    """A bare consumer reads everything; seconds."""
    options = {**kafka.consumer("bare"), "enable.partition.eof": False}
    consumer = Consumer(options)
    consumer.subscribe([TOPICS.activity])
    found, began = 0, None
    while found < events:
        found += len(consumer.consume(2_000, 0.2))
        began = began or (time.perf_counter() if found else None)
    consumer.close()
    return time.perf_counter() - (began or 0)


def role(kafka: Kafka, views: Any, log: Any, epoch: str, is_done: Callable[[], bool], group: str) -> float:
    """The role from its first message to the last; seconds (joining the group is left out)."""
    consumers = Consumers(kafka, Consumed(views, log, EventReader(Decoder()), epoch), AWAY, group=group)
    consumers.start()
    while not consumers.status().facts["partitions"]:
        time.sleep(0.001)
    began = time.perf_counter()
    while not is_done():
        if consumers.failure is not None:
            raise consumers.failure
        time.sleep(0.01)
    seconds = time.perf_counter() - began
    consumers.stop()
    return seconds


def into_views(kafka: Kafka, events: int, opened: ExitStack) -> float:
    """Into all views of the service on a database of its own; seconds."""
    from infrastructure.postgres.install import install
    from infrastructure.views import open_partitioned_views
    from tests.support.postgres import fresh_database, server_url

    url = opened.enter_context(fresh_database(opened.enter_context(server_url())))
    install(url)
    views = Counted(open_partitioned_views(url), events)
    opened.callback(views.close)
    return role(kafka, views, NoLog(), EPOCH, views.done.is_set, "views")


class Counted:
    """The service's views; `done` when they have so many events."""

    def __init__(self, views: Any, events: int) -> None:
        self.names = views.names
        self.assigned, self.revoked = views.assigned, views.revoked
        self.stopped, self.close = views.stopped, views.close
        self.done = threading.Event()
        self._views = views
        self._left = events

    def apply(self, pages: Sequence[PartitionPage]) -> Mapping[int, ViewFenced]:
        """Fold and count."""
        fenced = self._views.apply(pages)
        self._left -= sum(len(page.events) for page in pages)
        if self._left == 0:
            self.done.set()
        return fenced


def main(events: int) -> None:
    """Measure and print."""
    from tests.support.kafka import broker_address

    with ExitStack() as opened:
        kafka = Kafka(opened.enter_context(broker_address()))
        make_topics(admin_client(kafka), TOPICS, PARTITIONS)
        stored = list(rows(events))
        seconds = publish(kafka, stored)
        print(f"| {events:,} events in {PARTITIONS} partitions | events/s |\n|---|---:|")
        print(f"| made and produced, one thread | {events / seconds:,.0f} |")
        print(f"| bare confluent_kafka consumer | {events / bare(kafka, events):,.0f} |")
        done = threading.Event()
        seconds = role(kafka, NoViews(events, done), NoLog(), EPOCH, done.is_set, "none")
        print(f"| the role without views: read, check hashes and chains, decode | {events / seconds:,.0f} |")
        seconds = into_views(kafka, events, opened)
        print(f"| the role into all five views on PostgreSQL | {events / seconds:,.0f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
