"""The role `project` while its network breaks or its topic is replaced: views stay the fold of the log."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Self

import pytest

from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.consumers import Consumers
from infrastructure.kafka.relay_producer import TopicReplaced
from infrastructure.kafka.relay_role import Relay
from infrastructure.kafka.republish import republish
from infrastructure.kafka.topics import Topics, admin_client, make_topics
from infrastructure.views import PROJECTIONS, ViewReader, open_view_reader
from tests.kafka.conftest import delete_topic
from tests.kafka.consumer_desk import PARTITIONS, ConsumerDesk
from tests.kafka.plain_views import folded
from tests.kafka.relay_desk import append, whole_log
from tests.kafka.test_consumers_views import check as check_service_views
from tests.support.fault_proxy import FaultProxy
from tests.support.kafka import KafkaBroker
from tests.support.log_database import installed
from tests.support.postgres import url_with
from tests.support.processes import wait_until

BACK_S = 45.0
"""After a network's return: sessions at database and broker may have to run out first."""
SEED = 7


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    broker = KafkaBroker()
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


class Faulty:
    """Consumers of both kinds of views that reach database and broker through proxies of their own; the log's
    writer and the relay go past them.
    """

    def __init__(self, database: str, broker: KafkaBroker, topics: Topics, opened: ExitStack) -> None:
        url = installed(database)
        self.desk = ConsumerDesk(url, broker.bootstrap, topics)
        port = int(url.rpartition(":")[2].partition("/")[0])
        self.to_kafka = opened.enter_context(FaultProxy(broker.behind_proxy, broker.proxy_port))
        self.to_database = opened.enter_context(FaultProxy(port))
        opened.callback(self.desk.close)
        self.reader: ViewReader = open_view_reader(url, self.desk.log)
        opened.callback(self.reader.close)
        self._through = {
            "url": url_with(url, port=self.to_database.port),
            "bootstrap": broker.bootstrap_proxied,
        }

    def started(self) -> list[Consumers]:
        """Both, which have folded something."""
        self.desk.relay(page=20)
        self.desk.play(100)
        made = [self.desk.consumers(views, **self._through) for views in (None, PROJECTIONS)]
        self.wait_folded()
        return made

    def wait_folded(self) -> None:
        """Until all views have the whole log."""
        self.desk.wait_folded(timeout_s=BACK_S)
        self.reader.wait(self.desk.log.head(), BACK_S)

    def check(self, folder: Path) -> None:
        """Nothing is lost, doubled or out of order; tables are those of a fold straight from the log."""
        self.desk.check()
        check_service_views(self.desk, self.reader, folder)


@pytest.fixture
def faulty(database: str, broker: KafkaBroker, topic_names: Topics) -> Iterator[Faulty]:
    with ExitStack() as opened:
        yield Faulty(database, broker, topic_names, opened)


class Load:
    """Writes into the log, a few events at a time, until told to stop."""

    def __init__(self, desk: ConsumerDesk) -> None:
        self._desk = desk
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        while not self._stop.is_set():
            self._desk.play(10)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_grown(self, events: int) -> None:
        """Until so many more are recorded."""
        wanted = self._desk.log.head() + events
        wait_until(lambda: self._desk.log.head() >= wanted, "the log does not grow")


def are_ready(consumers: list[Consumers]) -> bool:
    return all(one.status().ready for one in consumers)


def go_on(consumers: list[Consumers]) -> None:
    """None ended, and each says that it is well again."""
    assert [one.failure for one in consumers] == [None] * len(consumers)
    wait_until(lambda: are_ready(consumers), f"not ready: {[one.status().detail for one in consumers]}")


@pytest.mark.parametrize("fault", ["cut", "freeze"])
@pytest.mark.parametrize("network", ["to_kafka", "to_database"])
def test_a_broken_network_is_waited_for_and_nothing_is_lost_or_doubled(
    faulty: Faulty, tmp_path: Path, network: str, fault: str
) -> None:
    consumers = faulty.started()
    proxy: FaultProxy = getattr(faulty, network)
    with Load(faulty.desk) as load:
        load.wait_grown(50)
        getattr(proxy, fault)()
        load.wait_grown(100)
        if (network, fault) != ("to_database", "freeze"):  # there nobody is told for 15 s
            wait_until(
                lambda: not any(one.status().ready for one in consumers), "the consumers take no notice"
            )
        behind = sum(map(len, folded(faulty.desk.url).values()))
        assert behind < 2 * faulty.desk.log.head(), "everything came through all the same"
        proxy.heal()
        load.wait_grown(50)
    faulty.wait_folded()
    go_on(consumers)
    faulty.check(tmp_path)


def test_networks_that_break_again_and_again_under_load_lose_and_double_nothing(
    faulty: Faulty, tmp_path: Path
) -> None:
    random = Random(SEED)
    consumers = faulty.started()
    faults: list[Callable[[], None]] = [
        fault for proxy in (faulty.to_kafka, faulty.to_database) for fault in (proxy.cut, proxy.freeze)
    ]
    with Load(faulty.desk) as load:
        for fault in random.choices(faults, k=12):
            fault()
            load.wait_grown(random.randint(10, 60))
            faulty.to_kafka.heal()
            faulty.to_database.heal()
            load.wait_grown(random.randint(10, 60))
    faulty.wait_folded()
    go_on(consumers)
    faulty.check(tmp_path)


def ended(relay: Relay) -> BaseException:
    """What ended it for good."""
    wait_until(lambda: relay.failure is not None, "the relay does not end")
    assert relay.failure is not None
    return relay.failure


@pytest.mark.parametrize("events", [20, 400])
def test_a_topic_that_is_replaced_under_live_consumers_and_republished_is_gone_on_from(
    faulty: Faulty, broker: KafkaBroker, tmp_path: Path, events: int
) -> None:
    """As docs/operations.md has it: the relay ends by name, `republish --from 0` is the cure, the consumers
    live through it. The new topic is shorter or longer than what they had read of the old one.
    """
    desk, kafka = faulty.desk, Kafka(broker.bootstrap)
    desk.play(200)
    consumers = [desk.consumers(views) for views in (None, PROJECTIONS)]
    relay = desk.relay()
    faulty.wait_folded()
    admin = admin_client(kafka)
    delete_topic(admin, desk.topics.activity)
    wait_until(lambda: not any(one.status().ready for one in consumers), "the consumers take no notice")
    make_topics(admin, desk.topics, PARTITIONS)
    desk.play(events)
    assert isinstance(ended(relay), TopicReplaced)
    relay.stop()
    republish(desk.log, desk.url, kafka, topics=desk.topics)
    faulty.wait_folded()
    desk.relay()
    desk.play(50)
    faulty.wait_folded()
    go_on(consumers)
    faulty.check(tmp_path)


def test_a_topic_that_is_deleted_is_missed_by_name_and_made_by_republish(
    faulty: Faulty, broker: KafkaBroker, tmp_path: Path
) -> None:
    """The relay waits and names it, the consumers say that they cannot read; then one command mends it."""
    desk, kafka = faulty.desk, Kafka(broker.bootstrap)
    desk.play(200)
    consumers = [desk.consumers(views) for views in (None, PROJECTIONS)]
    relay = desk.relay()
    faulty.wait_folded()
    delete_topic(admin_client(kafka), desk.topics.activity)
    desk.play(50)
    wait_until(lambda: not relay.status().ready, "the relay takes no notice")
    wait_until(
        lambda: all(
            not one.status().ready and desk.topics.activity in one.status().detail for one in consumers
        ),
        "the consumers do not say what is missing",
    )
    assert relay.failure is None
    relay.stop()
    republish(desk.log, desk.url, kafka, topics=desk.topics)
    faulty.wait_folded()
    go_on(consumers)
    faulty.check(tmp_path)


@pytest.mark.parametrize("are_live", [True, False])
def test_a_new_topic_that_ends_where_the_consumers_stood_in_the_old_one_hides_nothing(
    faulty: Faulty, broker: KafkaBroker, tmp_path: Path, are_live: bool
) -> None:
    """The old topic held everything twice. The new one holds as many messages, once each: the consumers'
    offsets are its end, and half of it is new to them.
    """
    desk, kafka = faulty.desk, Kafka(broker.bootstrap)
    make_topics(admin_client(kafka), desk.topics, PARTITIONS)
    desk.play(200)
    for _ in range(2):
        republish(desk.log, desk.url, kafka, topics=desk.topics)
    consumers = [desk.consumers(views) for views in (None, PROJECTIONS)]
    faulty.wait_folded()
    if not are_live:
        for one in consumers:
            one.stop()
    delete_topic(admin_client(kafka), desk.topics.activity)
    for row in whole_log(desk.log):
        append(desk.log, row[2])
    republish(desk.log, desk.url, kafka, topics=desk.topics)
    if not are_live:
        consumers = [desk.consumers(views) for views in (None, PROJECTIONS)]
    faulty.wait_folded()
    go_on(consumers)
    faulty.check(tmp_path)
