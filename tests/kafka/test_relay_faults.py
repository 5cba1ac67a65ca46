"""The relay while its broker dies, freezes or is cut off: nothing is skipped, and it goes on by itself."""

import threading
from collections.abc import Iterator

import pytest

from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.relay_role import Relay
from infrastructure.kafka.topics import Topics
from tests.kafka.relay_desk import RelayDesk, append_many
from tests.support.fault_proxy import FaultProxy
from tests.support.kafka import KafkaBroker
from tests.support.log_database import installed
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    """A broker that may be killed."""
    broker = KafkaBroker()
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


@pytest.fixture
def desk(database: str, broker: KafkaBroker, topic_names: Topics) -> Iterator[RelayDesk]:
    if not broker.process.is_running:
        broker.start()
    desk = RelayDesk(installed(database), Kafka(broker.bootstrap), topic_names)
    yield desk
    desk.close()


class Load:
    """Writes into the log until told to stop."""

    def __init__(self, desk: RelayDesk) -> None:
        self._desk = desk
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        while not self._stop.is_set():
            append_many(self._desk.log, 50)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def grown_by(desk: RelayDesk, events: int) -> None:
    """Wait until the log has so many more events."""
    wanted = desk.log.head() + events
    wait_until(lambda: desk.log.head() >= wanted, "the log does not grow")


def started(desk: RelayDesk, kafka: Kafka | None = None) -> Relay:
    """A relay that has published something."""
    append_many(desk.log, 20)
    relay = desk.relay(kafka, page=50)
    desk.wait_published(relay)
    return relay


def test_a_broker_that_is_killed_and_comes_back_has_everything(desk: RelayDesk, broker: KafkaBroker) -> None:
    relay = started(desk)
    with Load(desk):
        grown_by(desk, 100)
        broker.kill()
        grown_by(desk, 200)
        wait_until(lambda: not relay.status().ready, "the relay takes no notice")
        broker.start()
        grown_by(desk, 100)
    desk.wait_published(relay)
    desk.check()


def test_a_broker_that_is_restarted_in_order_has_everything(desk: RelayDesk, broker: KafkaBroker) -> None:
    relay = started(desk)
    with Load(desk):
        grown_by(desk, 100)
        broker.stop()
        broker.start()
        grown_by(desk, 100)
    desk.wait_published(relay)
    desk.check()


def test_a_frozen_broker_is_waited_for(desk: RelayDesk, broker: KafkaBroker) -> None:
    relay = started(desk)
    with Load(desk):
        broker.process.suspend()
        grown_by(desk, 200)
        wait_until(lambda: not relay.status().ready, "the relay takes no notice")
        broker.process.resume()
    desk.wait_published(relay)
    desk.check()


def test_a_cut_or_silent_network_is_waited_for(desk: RelayDesk, broker: KafkaBroker) -> None:
    with FaultProxy(broker.behind_proxy, broker.proxy_port) as proxy:
        relay = started(desk, Kafka(broker.bootstrap_proxied))
        for fault in (proxy.cut, proxy.freeze, proxy.cut):
            with Load(desk):
                fault()
                grown_by(desk, 100)
                wait_until(lambda: not relay.status().ready, "the relay takes no notice")
                proxy.heal()
            desk.wait_published(relay)
        desk.check()


def test_a_relay_that_is_stopped_while_the_broker_is_away_stops_at_once(
    desk: RelayDesk, broker: KafkaBroker
) -> None:
    relay = started(desk)
    broker.kill()
    append_many(desk.log, 20)
    wait_until(lambda: not relay.status().ready, "the relay takes no notice")
    relay.stop()
    assert relay.failure is None
    broker.start()
    again = desk.relay()
    desk.wait_published(again)
    desk.check()


def test_a_database_that_is_killed_and_comes_back_is_gone_on_from(
    broker: KafkaBroker, topic_names: Topics
) -> None:
    if not broker.process.is_running:
        broker.start()
    server = PostgresServer()
    try:
        server.start()
        desk = RelayDesk(installed(server.url), Kafka(broker.bootstrap), topic_names)
        try:
            relay = started(desk)
            server.kill()
            wait_until(lambda: not relay.status().ready, "the relay takes no notice")
            server.start()
            append_many(desk.log, 100)
            desk.wait_published(relay)
            desk.check()
        finally:
            desk.close()
    finally:
        server.close()
