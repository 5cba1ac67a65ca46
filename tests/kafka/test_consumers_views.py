"""The service's views by way of Kafka: as folded straight from the log; one that stops holds up no other."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.shared.activity import Event, RecordedEvent
from infrastructure.failpoints import CONSUMER, PROJECTION, PROJECTION_ON_POSTGRES
from infrastructure.kafka.consumers import open_consumers
from infrastructure.kafka.topics import Topics
from infrastructure.observability.metrics import PROJECTION_STOPPED
from infrastructure.settings import Settings
from infrastructure.views import PROJECTIONS, ViewReader, open_view_reader, open_views
from projections import registry
from projections.engine.projection import Projection, Rows
from tests.kafka.consumer_desk import ConsumerDesk
from tests.support.log_database import installed
from tests.support.processes import wait_until


@pytest.fixture
def desk(database: str, kafka_broker: str, topic_names: Topics) -> Iterator[ConsumerDesk]:
    desk = ConsumerDesk(installed(database), kafka_broker, topic_names)
    yield desk
    desk.close()


@pytest.fixture
def reader(desk: ConsumerDesk) -> Iterator[ViewReader]:
    reader = open_view_reader(desk.url, desk.log)
    yield reader
    reader.close()


def check(desk: ConsumerDesk, reader: ViewReader, folder: Path, leaving_out: str = "") -> None:
    """Table by table the rows are those that the log gives."""
    straight = open_views(folder / "straight.sqlite", desk.log)
    try:
        straight.catch_up()
        expected = {each.projection: each.tables for each in straight.state_hashes()}
    finally:
        straight.close()
    found = {each.projection: each.tables for each in reader.state_hashes()}
    assert found.keys() == expected.keys()
    for name in expected.keys() - {leaving_out}:
        assert found[name] == expected[name], name
    assert sum(table.rows for tables in expected.values() for table in tables.values()) > 100


def test_views_by_way_of_kafka_are_the_fold_of_the_log(
    desk: ConsumerDesk, reader: ViewReader, tmp_path: Path
) -> None:
    desk.play(300)
    desk.relay(page=50)
    desk.consumers(PROJECTIONS)
    reader.wait(desk.log.head(), 30)
    reader.wait(desk.play(100), 30)
    check(desk, reader, tmp_path)


@pytest.mark.parametrize("place", sorted(CONSUMER | PROJECTION | PROJECTION_ON_POSTGRES))
def test_views_survive_a_kill_anywhere(
    desk: ConsumerDesk, reader: ViewReader, tmp_path: Path, place: str
) -> None:
    desk.relay(page=50)
    desk.play(100)
    child = desk.child(tmp_path, "here", f"{place}=kill@7", "service")

    def is_dead() -> bool:
        desk.play(20)
        return not child.process.is_running

    wait_until(is_dead, "the consumer does not come to the failpoint")
    desk.child(tmp_path, "here", views="service")
    reader.wait(desk.log.head(), 60)
    check(desk, reader, tmp_path)


def test_what_a_client_wrote_is_read_from_another_process_within_a_second(
    desk: ConsumerDesk, reader: ViewReader, tmp_path: Path
) -> None:
    desk.relay()
    desk.child(tmp_path, views="service")
    reader.wait(desk.play(50), 30)
    slowest = 0.0
    for _ in range(10):
        began = time.monotonic()
        reader.wait(desk.play(1), 5)
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 5
    check(desk, reader, tmp_path)


def test_a_view_that_cannot_fold_an_event_stops_loudly_and_the_others_go_on(
    desk: ConsumerDesk, reader: ViewReader, tmp_path: Path
) -> None:
    def fold(recorded: RecordedEvent, event: Event, rows: Rows) -> None:
        if recorded.position == 120:
            raise ValueError("cannot be folded")
        registry.PROJECTION.fold(recorded, event, rows)

    live = registry.PROJECTION
    poisoned = Projection(live.name, live.version, live.relations, fold)
    desk.play(300)
    desk.relay(page=50)
    consumers = desk.consumers([poisoned, *(each for each in PROJECTIONS if each is not live)])
    wait_until(lambda: live.name in consumers.status().facts["stopped_views"], "no view says it stopped")
    for each in PROJECTIONS:
        if each is not live:
            reader.keeper.wait_for(each.name, desk.log.head(), 30)
    status = consumers.status()
    assert status.ready
    assert "position 120" in status.detail
    assert PROJECTION_STOPPED.labels(live.name)._value.get() == 1
    check(desk, reader, tmp_path, leaving_out=live.name)


def test_the_role_is_wired_from_the_settings(desk: ConsumerDesk) -> None:
    settings = Settings(
        database_url=SecretStr(desk.url), kafka_bootstrap=desk.bootstrap, worker_name="project-1"
    )
    with ExitStack() as opened:
        consumers = open_consumers(settings, desk.log, opened)
        assert not consumers.status().ready
        consumers.stop()
        assert consumers.failure is None
