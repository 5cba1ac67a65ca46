"""Processes that fold nothing wait for what others fold, and know what they may answer from."""

import threading
import time

import pytest
from sqlalchemy import delete, update

from application.queries import InstanceFilter, Paging
from domain.shared.errors import ProjectionBehind
from domain.shared.times import LogMoment
from infrastructure.kafka.partitions import partition_of
from infrastructure.postgres.install import install
from infrastructure.postgres.operational import relay_partition
from infrastructure.views import PROJECTIONS, following, open_partitioned_views, open_view_reader
from projections.engine.errors import ViewUnknown
from tests.projections.support.generated import TENANTS
from tests.projections.support.partitions import Partitions, folded, tables
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until

APART = 6
"""With so many partitions the two tenants lie apart."""
FIRST, SECOND = (partition_of(tenant, APART) for tenant in TENANTS)


@pytest.fixture
def told_only(monkeypatch):
    """Nobody looks by itself: only a word from the database wakes."""
    monkeypatch.setattr(following, "_WAITED_FOR_S", 600)
    monkeypatch.setattr(following, "_IDLE_S", 600)


def test_the_tenants_lie_apart():
    assert FIRST != SECOND


@pytest.mark.usefixtures("told_only")
@pytest.mark.quiet
def test_a_wait_ends_as_soon_as_another_process_has_folded(log, partitions):
    parts = partitions(log)
    views, reader = parts.views(), parts.reader()
    parts.assign(views)
    waited = []
    for number in range(50):
        position = parts.of(FIRST)[number].position
        committed = []

        def fold(committed=committed):
            parts.feed(views, FIRST, 1)
            committed.append(time.perf_counter())

        thread = threading.Thread(target=fold)
        thread.start()
        reader.keeper.wait(position, 10, TENANTS[0])
        thread.join()
        waited.append(time.perf_counter() - committed[0])
    assert sorted(waited)[47] < 0.25


def test_a_wait_that_takes_too_long_says_how_far_the_view_is(log, partitions):
    parts = partitions(log)
    views, reader = parts.views(), parts.reader()
    parts.assign(views)
    parts.feed(views, FIRST, 10)
    position = parts.of(FIRST)[9].position
    reader.keeper.wait(position, 10, TENANTS[0])
    with pytest.raises(ProjectionBehind, match=f"stands at {position}, not yet at 600: waited") as behind:
        reader.keeper.wait(600, 0.05, TENANTS[0])
    assert behind.value.facts["position"] == position
    with pytest.raises(ProjectionBehind, match="stands at 0"):
        reader.wait(600, 0.05)
    with pytest.raises(ViewUnknown):
        reader.keeper.wait_for("nothing", 1, 1)


def test_a_partition_that_has_all_that_was_published_is_complete_to_the_relays_position(log, partitions):
    parts = partitions(log)
    views, reader = parts.views(), parts.reader()
    parts.assign(views)
    parts.feed_all(views)
    short, last = min((parts.of(each)[-1].position, each) for each in (FIRST, SECOND))
    assert short < log.head()
    assert {
        row[0] for row in parts.rows(f"SELECT position FROM view_generation WHERE partition = {last}")
    } == {short}
    for tenant in TENANTS:
        reader.keeper.wait(log.head(), 10, tenant)
        page = reader.queries.instances(tenant, InstanceFilter(), Paging(), LogMoment(log.head()))
        assert page.position == log.head()
    assert {status.position for status in reader.status()} == {log.head()}


def test_a_partition_that_lacks_its_last_event_is_complete_to_its_own_position_only(log, partitions):
    parts = partitions(log)
    views, reader = parts.views(), parts.reader()
    parts.assign(views)
    parts.feed_all(views)
    parts.feed(views, FIRST)
    with parts._engine.begin() as connection:
        further = update(relay_partition).where(relay_partition.c.partition == FIRST)
        connection.execute(further.values(position=log.head() + 5))
    own = parts.of(FIRST)[-1].position
    assert reader.queries.instances(TENANTS[0], InstanceFilter(), Paging()).position == own
    assert reader.queries.instances(TENANTS[1], InstanceFilter(), Paging()).position == log.head()


def test_a_partition_without_any_event_holds_nobody_up(log, partitions):
    parts = partitions(log)
    views, reader = parts.views(), parts.reader()
    parts.assign(views, SECOND)
    while parts.feed(views, SECOND):
        pass
    with parts._engine.begin() as connection:
        connection.execute(delete(relay_partition).where(relay_partition.c.partition == FIRST))
    reader.wait(log.head(), 10)


def test_before_anything_is_folded_a_reader_says_so(log, partitions):
    reader = partitions(log).reader()
    assert [(each.name, each.position, each.generation) for each in reader.status()] == [
        (each.name, 0, 0) for each in PROJECTIONS
    ]
    with pytest.raises(ProjectionBehind, match="not folded yet"):
        reader.queries.instances(TENANTS[0], InstanceFilter(), Paging())
    with pytest.raises(ProjectionBehind, match="stands at 0"):
        reader.wait(1, 0.05)
    assert reader.state_hashes() == ()


def test_a_view_that_stopped_for_one_tenant_is_waited_for_by_the_others(log, partitions):
    parts = partitions(log)
    views, reader = parts.views(), parts.reader()
    parts.assign(views)
    parts.rows(f"UPDATE view_generation SET error = 'damaged', status = 'stopped' WHERE partition = {FIRST}")
    folding = threading.Thread(target=lambda: parts.feed(views, SECOND))
    with pytest.raises(ProjectionBehind, match="damaged"):
        reader.keeper.wait(600, 10, TENANTS[0])
    folding.start()
    reader.keeper.wait(parts.of(SECOND)[-1].position, 10, TENANTS[1])
    folding.join()


@pytest.mark.usefixtures("told_only")
def test_a_view_that_went_back_is_not_answered_from_as_if_it_had_not(log, partitions):
    parts = partitions(log)
    views, reader = parts.views(), parts.reader()
    parts.assign(views)
    parts.feed_all(views)
    reader.wait(log.head(), 10)
    parts.rows("UPDATE view_generation SET position = 7")
    with pytest.raises(ProjectionBehind, match="stands at 7, not yet at 600"):
        reader.queries.instances(TENANTS[0], InstanceFilter(), Paging(), LogMoment(log.head()))


def test_everything_goes_on_after_the_server_was_killed(log):
    server = PostgresServer()
    try:
        server.start()
        install(server.url)
        killed_and_back(server, Partitions(server.url, log))
    finally:
        server.close()


def killed_and_back(server, parts):
    parts.publish()
    views, reader = open_partitioned_views(server.url), open_view_reader(server.url, parts.log)
    parts.assign(views)
    parts.feed(views, FIRST, 50)
    ended = []

    def wait():
        reader.wait(parts.log.head(), 60)
        ended.append(True)

    waiting = threading.Thread(target=wait)
    waiting.start()
    server.kill()
    with pytest.raises(views.away):
        parts.feed(views, FIRST, 50)
    with pytest.raises(views.away):
        views.assigned(FIRST)
    server.start()

    def is_assigned():
        try:
            parts.assign(views)
        except views.away:
            return False
        return True

    wait_until(is_assigned, "the views do not come back")
    parts.feed_all(views)
    waiting.join(60)
    assert ended
    assert tables(reader) == folded(parts.log)
    reader.close()
    views.close()
    parts.close()
