"""Rebuilding and verifying views that other processes fold, without a pause for anybody."""

import threading
from random import Random

import pytest

from infrastructure.postgres.turns import Turn
from infrastructure.views import PROJECTIONS, open_views
from infrastructure.views.rebuilding import TURN
from projections.engine.errors import ViewBeingRebuilt, ViewUnknown
from tests.projections.support.generated import Generator
from tests.projections.support.partitions import folded, tables
from tests.support.processes import wait_until

GENERATIONS = "SELECT DISTINCT generation FROM view_generation WHERE serving = 1"
TABLES = """
SELECT count(*) FROM information_schema.tables WHERE table_schema = 'optaic_views' AND table_name LIKE '%\\_1'
"""


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def folding(log, partitions):
    """Partitions that are folded to the end, and their reader."""
    parts = partitions(log)
    views = parts.views()
    parts.assign(views)
    parts.feed_all(views, largest=400)
    return parts, views, parts.reader()


def test_a_snapshot_from_before_a_swap_reads_to_its_end(folding):
    parts, _, reader = folding
    rebuild = threading.Thread(target=reader.rebuild)
    with reader.store.read() as snapshot:
        before = snapshot.exec_driver_sql("SELECT count(*) FROM view_generation").scalar_one()
        rebuild.start()
        wait_until(lambda: parts.rows(GENERATIONS) == [(2,)], "nothing is swapped")
        assert snapshot.exec_driver_sql("SELECT count(*) FROM runs_run_1").scalar_one()
        assert snapshot.exec_driver_sql("SELECT count(*) FROM view_generation").scalar_one() == before
        assert rebuild.is_alive()
    rebuild.join()
    assert parts.rows(TABLES) == [(0,)]
    assert parts.rows("SELECT count(*) FROM view_generation") == [(len(PROJECTIONS) * parts.count,)]


def test_views_are_rebuilt_and_verified_while_they_are_folded(partitions):
    log = Generator(Random(9), tenants=tuple(f"tenant-{number}" for number in range(12))).run(2_000)
    parts = partitions(log)
    reader = parts.reader()
    consumers = [(parts.views(), (0, 2, 4)), (parts.views(), (1, 3, 5))]
    for views, mine in consumers:
        parts.assign(views, *mine)
    failures = []

    def consume(views, mine):
        try:
            while sum(parts.feed(views, each, 9) for each in mine):
                pass
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=consume, args=each) for each in consumers]
    for thread in threads:
        thread.start()
    rounds = 0
    while any(thread.is_alive() for thread in threads) or rounds < 3:
        work = (reader.verify, reader.rebuild)[rounds % 2]
        assert [each.projection for each in work() if not each.is_equal] == []
        rounds += 1
    for thread in threads:
        thread.join()
    assert not failures
    assert tables(reader) == folded(log)
    assert all(report.is_equal for report in reader.verify())


def test_two_rebuilds_at_once_are_refused(folding):
    parts, _, reader = folding
    with Turn(parts.url, TURN) as turn:
        assert turn.take()
        with pytest.raises(ViewBeingRebuilt):
            reader.rebuild()
        with pytest.raises(ViewBeingRebuilt):
            reader.verify()
    assert all(report.is_equal for report in reader.verify(["runs"]))
    with pytest.raises(ViewUnknown):
        reader.rebuild(["nothing"])


def test_verify_finds_a_row_that_was_changed_behind_the_log_and_a_rebuild_mends_it(folding):
    parts, _, reader = folding
    parts.rows("UPDATE registry_version_1 SET stage = 'production' WHERE number = 1")
    assert {each.projection for each in reader.verify() if not each.is_equal} == {"registry"}
    assert {each.projection for each in reader.rebuild() if not each.is_equal} == {"registry"}
    assert tables(reader) == folded(parts.log)


def test_what_a_rebuild_that_died_left_behind_goes_with_the_next(folding, monkeypatch):
    parts, views, reader = folding

    def crash():
        raise Crash

    monkeypatch.setattr(reader.store, "wait_until_unread", crash)
    with pytest.raises(Crash):
        reader.rebuild(["runs"])
    monkeypatch.undo()
    assert parts.rows("SELECT to_regclass('runs_run_1') IS NOT NULL") == [(True,)]
    parts.assign(views)
    assert all(each.is_equal for each in reader.rebuild())
    assert parts.rows(TABLES) == [(0,)]
    assert tables(reader) == folded(parts.log)


def test_tables_that_a_backup_holds_are_left_to_the_next_rebuild(folding, monkeypatch):
    parts, _, reader = folding
    monkeypatch.setattr(reader.store, "wait_until_unread", lambda: None)
    with reader.store.read() as backup:
        backup.exec_driver_sql("SELECT count(*) FROM runs_run_1")
        assert all(each.is_equal for each in reader.rebuild(["runs"]))
        assert parts.rows("SELECT to_regclass('runs_run_1') IS NOT NULL") == [(True,)]
    reader.rebuild(["runs"])
    assert parts.rows("SELECT to_regclass('runs_run_1')") == [(None,)]


def test_a_process_may_verify_its_own_views_and_read_those_of_others(folding, tmp_path):
    parts, _, reader = folding
    own = open_views(tmp_path / "views.sqlite", parts.log)
    own.catch_up()
    assert all(each.is_equal for each in (*own.verify(), *own.rebuild(), *reader.verify()))
    own.close()
