"""Views that are folded a partition at a time: the same tables as one fold in log order, each event with one
effect, one owner a partition.
"""

from dataclasses import replace as replaced
from random import Random

import pytest

from domain.catalogue import EVENTS
from infrastructure.kafka.partitions import PartitionPage
from infrastructure.views import PROJECTIONS, open_views
from projections import registry, runs
from projections.engine.errors import ViewFenced, ViewOfLaterRelease
from tests.projections.support.generated import Generator
from tests.projections.support.partitions import folded, tables
from tests.projections.support.places import PostgresPlaces

PROGRESS = """
SELECT projection, partition, position, kafka_offset, owner, status FROM view_generation ORDER BY 1, 2
"""
MANY = tuple(f"tenant-{number}" for number in range(52))


class Crash(BaseException):
    """The process ends here."""


def of_later_release(projection):
    """All views, one of them of the next version."""
    later = replaced(projection, version=projection.version + 1)
    return [later if each is projection else each for each in PROJECTIONS]


def longest(parts):
    """The partition with the most events."""
    return max(parts.at, key=lambda each: len(parts.of(each)))


def test_both_databases_give_the_same_state_hashes_of_a_log_of_every_event(tmp_path, view_databases):
    log = Generator(Random(2)).run(1_500)
    assert {f"{each.action}:{each.schema_version}" for each in log.events} == set(EVENTS)
    file = open_views(tmp_path / "views.sqlite", log)
    file.catch_up()
    with PostgresPlaces(view_databases) as places:
        database = places.views("views", log, page_size=300)
        database.catch_up()
        assert database.state_hashes() == file.state_hashes()
        database.close()
    file.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_partitions_in_any_interleaving_give_what_one_fold_in_log_order_gives(partitions, seed):
    log = Generator(Random(seed), tenants=MANY).run(1_200)
    assert len({each.tenant for each in log.events}) >= 50
    parts = partitions(log)
    assert all(parts.of(each) for each in parts.at)
    views = parts.views()
    assert all(resume == (None, 0) for resume in parts.assign(views))
    parts.feed_all(views, Random(seed))
    assert tables(parts.reader()) == folded(log)


def test_pages_that_come_twice_or_overlap_change_nothing(log, partitions):
    parts = partitions(log)
    views = parts.views()
    parts.assign(views)
    for partition in parts.at:
        events = parts.of(partition)
        for end in range(0, len(events), 40):
            views.apply([PartitionPage(partition, events[max(0, end - 60) : end], end)])
            views.apply([PartitionPage(partition, events[:end], end)])
        parts.at[partition] = max(0, len(events) - 100)
    parts.feed_all(views)
    assert tables(parts.reader()) == folded(log)


@pytest.mark.parametrize("place", ["projection.after_position", "projection.before_commit"])
def test_a_crash_within_a_page_leaves_all_views_before_it(log, partitions, place):
    parts, pages = partitions(log), 0

    def crash(name):
        nonlocal pages
        pages += name == place
        if pages == 2:
            raise Crash

    partition = longest(partitions(log))
    first = parts.views(hit=crash)
    parts.assign(first, partition)
    parts.feed(first, partition, 50)
    with pytest.raises(Crash):
        parts.feed(first, partition, 50)
    assert {row[3] for row in parts.rows(PROGRESS)} == {50}
    second = parts.views()
    events = parts.of(partition)
    assert parts.assign(second, partition) == [(50, events[49].position)]
    parts.assign(second)
    parts.feed_all(second)
    assert tables(parts.reader()) == folded(log)


def test_all_views_of_a_page_are_committed_in_one_transaction(log, partitions):
    parts = partitions(log)
    views, partition = parts.views(), longest(parts)
    parts.assign(views, partition)
    parts.feed(views, partition, 50)
    writers = parts.rows(f"SELECT DISTINCT xmin::text FROM view_generation WHERE partition = {partition}")
    assert len(writers) == 1


@pytest.mark.parametrize("is_last", [False, True])
def test_a_view_whose_rows_are_refused_stops_alone(log, partitions, is_last):
    parts = partitions(log)
    refused = PROJECTIONS[-1 if is_last else 0]
    views, partition = parts.views(), longest(parts)
    parts.assign(views)
    table = f"{refused.name}_{'event' if is_last else 'fact'}_1"
    last = parts.of(partition)[99].position
    parts.rows(f"ALTER TABLE {table} ADD CHECK (position <> {last})")
    parts.feed_all(views, Random(3))
    assert list(views.stopped()) == [refused.name]
    assert "CheckViolation" in views.stopped()[refused.name]
    expected, found = folded(log), tables(parts.reader())
    assert {name for name in expected if found[name] != expected[name]} == {refused.name}
    stand = {row[0]: row[2] for row in parts.rows(PROGRESS) if row[1] == partition}
    assert stand[refused.name] < last
    assert {status.name for status in parts.reader().status() if status.error} == {refused.name}
    parts.rows(f"ALTER TABLE {table} DROP CONSTRAINT {table}_position_check")
    mended = parts.views()
    parts.assign(mended)
    parts.feed_all(mended)
    assert tables(parts.reader()) == expected


def test_who_lost_a_partition_writes_nothing_to_it_any_more(log, partitions):
    parts = partitions(log)
    partition = longest(parts)
    zombie, heir = parts.views(), parts.views()
    parts.assign(zombie)
    parts.feed(zombie, partition, 50)
    parts.assign(heir)
    before = parts.rows(PROGRESS)
    with pytest.raises(ViewFenced):
        parts.feed(zombie, partition, 10)
    assert parts.rows(PROGRESS) == before
    parts.feed_all(heir)
    assert tables(parts.reader()) == folded(log)


def test_a_partition_that_is_not_held_is_refused(log, partitions):
    parts = partitions(log)
    views = parts.views()
    partition = longest(parts)
    parts.assign(views, partition)
    views.revoked(partition)
    with pytest.raises(ViewFenced, match="not held here"):
        parts.feed(views, partition)


def test_a_poison_event_stops_one_view_and_good_code_catches_it_up(log, partitions):
    parts = partitions(log)
    partition = longest(parts)
    poison = parts.of(partition)[130]

    def fold(recorded, event, rows):
        if recorded.position == poison.position:
            raise ValueError("cannot be folded")
        registry.PROJECTION.fold(recorded, event, rows)

    bad = replaced(registry.PROJECTION, fold=fold)
    first = parts.views([bad, *PROJECTIONS[1:]])
    parts.assign(first)
    while sum(parts.feed(first, each, 50) for each in parts.at):
        pass
    assert list(first.stopped()) == ["registry"]
    assert f"position {poison.position}" in first.stopped()["registry"]
    expected, found = folded(log), tables(parts.reader())
    assert {name for name in expected if found[name] != expected[name]} == {"registry"}
    assert {status.name for status in parts.reader().status() if status.error} == {"registry"}
    mended = parts.views()
    resumes = dict(zip(parts.at, parts.assign(mended), strict=True))
    assert resumes[partition] == (100, parts.of(partition)[129].position)
    assert not mended.stopped()
    parts.feed_all(mended)
    assert tables(parts.reader()) == expected
    assert not any(status.error for status in parts.reader().status())


def test_a_view_of_a_later_release_is_left_alone(log, partitions):
    parts = partitions(log)
    later = of_later_release(runs.PROJECTION)
    parts.assign(parts.views(later))
    before = parts.rows(PROGRESS)
    with pytest.raises(ViewOfLaterRelease, match="runs"):
        parts.views().assigned(0)
    assert parts.rows(PROGRESS) == before


def test_a_view_of_an_earlier_release_is_folded_afresh(log, partitions):
    parts = partitions(log)
    former, partition = parts.views(), longest(parts)
    parts.assign(former)
    parts.feed(former, partition, 50)
    later = of_later_release(runs.PROJECTION)
    views = parts.views(later)
    assert parts.assign(views)[partition] == (None, 0)
    with pytest.raises(ViewFenced):
        parts.feed(former, partition)
    parts.feed_all(views)
    numbers = parts.rows("SELECT DISTINCT generation FROM view_generation WHERE projection = 'runs'")
    assert numbers == [(2,)]
    assert parts.rows("SELECT to_regclass('runs_run_1')") == [(None,)]
    of_others = parts.reader()
    of_others.keeper.projections = {each.name: each for each in later}
    assert tables(of_others) == folded(log)


def test_a_consumer_goes_on_with_the_generation_that_a_rebuild_left_it(log, partitions):
    parts = partitions(log)
    views, reader = parts.views(), parts.reader()
    parts.assign(views)
    for partition in parts.at:
        parts.feed(views, partition, 50)
    owners = {row[4] for row in parts.rows(PROGRESS)}
    reader.rebuild()
    assert {row[4] for row in parts.rows(PROGRESS)} == owners
    parts.feed_all(views)
    assert tables(reader) == folded(log)
    assert {status.generation for status in reader.status()} == {2}


def test_who_lost_a_partition_does_not_come_back_by_a_rebuild(log, partitions):
    parts = partitions(log)
    partition = longest(parts)
    zombie, heir, reader = parts.views(), parts.views(), parts.reader()
    parts.assign(zombie)
    parts.feed(zombie, partition, 50)
    parts.assign(heir)
    reader.rebuild()
    before = parts.rows(PROGRESS)
    with pytest.raises(ViewFenced):
        parts.feed(zombie, partition)
    assert parts.rows(PROGRESS) == before
    parts.feed_all(heir)
    assert tables(reader) == folded(log)


def test_all_folds_of_a_process_share_one_connection_for_look_ups(log, partitions):
    parts = partitions(log)
    views = parts.views()
    parts.assign(views)
    for partition in parts.at:
        parts.feed(views, partition, 50)
    parts.assign(views)
    parts.feed_all(views)
    sessions = "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()"
    names = [row[0] for row in parts.rows(sessions)]
    assert sum(name.endswith("look-ups") for name in names) == 1
    assert sum(name.startswith("optaic-mlops views") for name in names) <= 3
