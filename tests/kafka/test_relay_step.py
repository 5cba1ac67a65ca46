"""The relay's step alone: what it refuses, and what an error leaves as it was."""

from collections.abc import Iterable, Mapping, Sequence

import pytest
from sqlalchemy import delete

from infrastructure.activity_log.record import Row
from infrastructure.kafka.cloud_events import Message
from infrastructure.kafka.holes import PARTITION_PREVIOUS, PartitionChain
from infrastructure.kafka.messages import from_message
from infrastructure.kafka.relay import Delivered, RelayFenced, RelayGapFound, RelayStep
from infrastructure.kafka.relay_producer import DeliveryFailed
from infrastructure.kafka.relay_progress import StoreEpochMissing, read_epoch
from infrastructure.postgres.connections import engine
from infrastructure.postgres.operational import store_epoch
from tests.kafka.test_messages import ROW
from tests.support.log_database import installed


class Pages:
    """A log of given rows."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def rows(self, after: int, limit: int) -> Sequence[Row]:
        return [row for row in self._rows if row[0] > after][:limit]


class Topic:
    """A topic of one partition; `failures`: so many pages are given back."""

    def __init__(self, failures: int = 0) -> None:
        self.messages: list[Message] = []
        self._failures = failures

    def send(self, message: Message, position: int, at_ms: int) -> None:
        assert at_ms == ROW[17] // 1000
        assert position == from_message(message.headers, message.key, message.value).position
        self.messages.append(message)

    def settle(self) -> Mapping[int, Delivered]:
        if self._failures:
            self._failures -= 1
            raise DeliveryFailed("given back")
        last = self.messages[-1]
        position = from_message(last.headers, last.key, last.value).position
        return {0: Delivered(position, len(self.messages) - 1)}


class Rows:
    """Progress in memory."""

    def __init__(self) -> None:
        self.position = 0
        self.of_tenants: dict[str, int] = {}
        self.delivered: dict[int, Delivered] = {}

    def tenants(self, names: Iterable[str]) -> Mapping[str, int]:
        return {name: self.of_tenants[name] for name in names if name in self.of_tenants}

    def move(
        self, expected: int, to: int, delivered: Mapping[int, Delivered], tenants: Mapping[str, int]
    ) -> None:
        assert expected == self.position
        self.position = to
        self.delivered.update(delivered)
        self.of_tenants.update(tenants)


def log_of(*tenants: str) -> Pages:
    """Position after position an event of the named tenant."""
    return Pages([(place, ROW[1], tenant, *ROW[3:]) for place, tenant in enumerate(tenants, 1)])


def step(log: Pages, progress: Rows, topic: Topic, page: int = 2) -> RelayStep:
    chain = PartitionChain(1, {number: last.position for number, last in progress.delivered.items()})
    return RelayStep(log, progress, topic, epoch="e", position=progress.position, page=page, chain=chain)


def run_to_end(relay: RelayStep) -> None:
    while relay.run():
        pass


def links(topic: Topic) -> list[tuple[int, int, int]]:
    """Position, the tenant's position before, the partition's position before."""
    found: list[tuple[int, int, int]] = []
    for one in topic.messages:
        read = from_message(one.headers, one.key, one.value)
        found.append((read.position, read.previous, int(dict(one.headers)[PARTITION_PREVIOUS])))
    return found


def test_every_event_names_those_before_it_across_pages_and_restarts() -> None:
    log, progress, topic = log_of("acme", "beta", "acme", "beta", "acme"), Rows(), Topic()
    first = step(log, progress, topic)
    assert (first.run(), first.run()) == (2, 2)
    again = step(log, progress, topic)
    assert (again.run(), again.run()) == (1, 0)
    assert links(topic) == [(1, 0, 0), (2, 0, 1), (3, 1, 2), (4, 2, 3), (5, 3, 4)]
    assert (progress.position, progress.of_tenants) == (5, {"acme": 5, "beta": 4})


def test_what_kafka_gives_back_is_sent_again_from_the_progress() -> None:
    log, progress, topic = log_of("acme", "beta", "acme"), Rows(), Topic(failures=1)
    with pytest.raises(DeliveryFailed):
        step(log, progress, topic).run()
    assert (progress.position, progress.of_tenants) == (0, {})
    again = step(log, progress, topic)
    assert (again.run(), again.run(), again.run()) == (2, 1, 0)
    assert links(topic) == [(1, 0, 0), (2, 0, 1), (1, 0, 0), (2, 0, 1), (3, 1, 2)]


@pytest.mark.parametrize("missing", [1, 2, 4])
def test_a_log_with_a_gap_is_not_published_beyond_it(missing: int) -> None:
    rows = [row for row in log_of(*["acme"] * 5).rows(0, 9) if row[0] != missing]
    topic = Topic()
    relay = step(Pages(rows), Rows(), topic)
    with pytest.raises(RelayGapFound):
        run_to_end(relay)
    assert all(position < missing for position, _, _ in links(topic))


def test_a_relay_whose_successor_is_ahead_sends_nothing() -> None:
    progress, topic = Rows(), Topic()
    progress.of_tenants["acme"] = 7
    with pytest.raises(RelayFenced):
        step(log_of("acme"), progress, topic).run()
    assert topic.messages == []


def test_a_database_without_an_epoch_is_named(database: str) -> None:
    installed(database)
    rows = engine(database, application_name="test")
    try:
        with rows.begin() as connection:
            connection.execute(delete(store_epoch))
        with pytest.raises(StoreEpochMissing):
            read_epoch(rows)
    finally:
        rows.dispose()
