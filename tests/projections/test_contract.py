"""The contract of every projection: the same log gives the same state, however it is folded, and nobody
else writes.
"""

from dataclasses import replace as replaced

import msgspec
import pytest

from domain.shared.errors import ProjectionBehind
from infrastructure.views import PROJECTIONS, open_views
from infrastructure.views.sqlite import SqliteViews
from projections.engine import generations
from projections.engine.errors import ViewStopped, ViewUnknown
from projections.engine.projector import Projector
from projections.engine.state_hash import state_hash
from projections.engine.writer import ViewWriter
from tests.projections.support.memory_log import MemoryLog

NAMES = [projection.name for projection in PROJECTIONS]
every_projection = pytest.mark.parametrize("projection", PROJECTIONS, ids=NAMES)


def hashes(views):
    return {each.projection: each for each in views.state_hashes()}


def unknown(recorded):
    """The event as code that does not know its topic reads it."""
    return msgspec.structs.replace(recorded, event=None, action="martian.landed", schema_version=9)


def with_events(events):
    log = MemoryLog()
    log.events = list(events)
    return log


def test_live_equals_rebuilt_equals_replayed_twice_in_pages_of_any_size(log, opened):
    live = opened(MemoryLog(), "live")
    for recorded in log.events:
        live.projector.log.events.append(recorded)
        live.catch_up()
    expected = hashes(live)
    assert all(table.rows for each in expected.values() for table in each.tables.values())
    for size in (1, 7, 1000):
        replayed = opened(log, f"pages-{size}", page_size=size)
        replayed.catch_up()
        assert hashes(replayed) == expected
    assert {report.projection: report.rebuilt for report in live.rebuild()} == expected
    assert hashes(live) == expected


def test_a_page_that_comes_twice_changes_nothing(log, opened):
    views = opened(log)
    views.catch_up()
    before = hashes(views)
    views.projector.apply(log.events[-50:])
    assert hashes(views) == before


@every_projection
def test_an_unknown_event_advances_the_position_only(projection, log, opened):
    views = opened(log)
    views.catch_up()
    before = hashes(views)[projection.name]
    views.projector.log.events.append(
        msgspec.structs.replace(unknown(log.events[0]), position=log.head() + 1)
    )
    views.catch_up()
    after = hashes(views)[projection.name]
    assert after.tables == before.tables
    assert after.position == before.position + 1
    assert not any(status.error for status in views.status())


def poisoned(projection, at):
    def fold(recorded, event, rows):
        projection.fold(recorded, event, rows)
        if recorded.position == at:
            raise ValueError("cannot be folded")

    return replaced(projection, fold=fold)


@every_projection
def test_a_poison_event_stops_one_view_loudly_and_keeps_what_came_before(projection, log, opened, places):
    clean = opened(with_events(log.events[:320]), "clean")
    clean.catch_up()
    store = places.store("poisoned")
    others = [each for each in PROJECTIONS if each is not projection]
    projector = Projector(log, store, [poisoned(projection, 321), *others], owner="test", page_size=100)
    projector.catch_up()
    status = {each.name: each for each in projector.status()}
    assert status[projection.name].position == 320
    assert status[projection.name].status == "stopped"
    error = status[projection.name].error or ""
    assert "position 321" in error
    assert "ValueError: cannot be folded" in error
    assert all(status[each.name].position == log.head() for each in others)
    with store.read() as connection:
        rows = {row.projection: row for row in generations.all_progress(connection)}
    assert rows[projection.name].error == status[projection.name].error
    assert rows[projection.name].status == "stopped"
    with pytest.raises(ProjectionBehind, match="cannot be folded"):
        projector.wait_for(projection.name, log.head(), 5)
    projector.close()
    mended = Projector(log, store, PROJECTIONS, owner="mended", page_size=100)
    assert mended.writers[projection.name].position == 320
    mended.catch_up()
    assert not any(each.error for each in mended.status())
    mended.close()
    store.close()


@every_projection
def test_the_first_write_of_a_zombie_is_refused(projection, log, opened, places):
    store = places.store("views")
    zombie = Projector(log, store, [projection], owner="zombie", page_size=10)
    zombie.apply(log.read(0, 10))
    heir = Projector(log, store, [projection], owner="heir", page_size=10)
    zombie.apply(log.read(10, 10))
    assert str(zombie.writers[projection.name].error).startswith("view.fenced")
    heir.catch_up()
    alone = opened(log, "alone", page_size=10)
    alone.catch_up()
    with store.read() as connection:
        rows = generations.all_progress(connection)
    assert [(row.owner, row.position, row.error) for row in rows] == [("heir", log.head(), None)]
    for name in heir.writers:
        with store.read() as snapshot:
            mine = state_hash(snapshot, heir.writers[name].generation, log.head())
        assert mine == hashes(alone)[name]
    for projector in (zombie, heir):
        projector.close()
    store.close()


def test_a_writer_at_another_position_is_fenced_off(log, opened):
    views = opened(log)
    projector = views.projector
    writer = projector.writers["runs"]
    twin = ViewWriter(projector.store, writer.generation, projector.owner, 0)
    views.catch_up()
    twin.apply(log.read(0, 10))
    assert str(twin.error).startswith("view.fenced")
    twin.close()


def test_an_interrupted_page_leaves_rows_and_position_together(log, opened):
    views = opened(log, page_size=100)
    views.projector.apply(log.read(0, 100))
    before = hashes(views)

    def full(connection, changes):
        raise OSError("disk full")

    write_rows, views.projector.store.write_rows = views.projector.store.write_rows, full
    views.projector.apply(log.read(100, 100))
    views.projector.store.write_rows = write_rows
    assert hashes(views) == before
    assert all("disk full" in status.error for status in views.status())


def test_a_page_whose_look_ups_met_no_database_comes_again_whole(log, opened, places):
    store, away = places.store("views"), [True]
    store.away = (*store.away, ConnectionResetError)
    last = PROJECTIONS[-1]

    def fold(recorded, event, rows):
        if recorded.position == 150 and away:
            away.clear()
            raise ConnectionResetError("away")
        last.fold(recorded, event, rows)

    views = [*PROJECTIONS[:-1], replaced(last, fold=fold)]
    projector = Projector(log, store, views, owner="one")
    with pytest.raises(ConnectionResetError):
        projector.catch_up()
    projector.catch_up()
    alone = opened(log, "alone")
    alone.catch_up()
    with store.read() as snapshot:
        found = {
            name: state_hash(snapshot, writer.generation, log.head())
            for name, writer in projector.writers.items()
        }
    assert found == hashes(alone)
    projector.close()
    store.close()


def test_a_rebuild_swaps_in_one_transaction_and_leaves_no_table_behind(log, opened, places):
    views = opened(log)
    views.catch_up()
    before = hashes(views)
    reports = views.rebuild(["runs"])
    assert [(report.projection, report.is_equal) for report in reports] == [("runs", True)]
    assert hashes(views) == before
    assert {status.name: status.generation for status in views.status()}["runs"] == 2
    with views.projector.store.read() as connection:
        tables = connection.exec_driver_sql(places.all_tables)
        names = {row[0] for row in tables}
    assert "runs_run_2" in names
    assert "runs_run_1" not in names
    assert "registry_instance_1" in names


def test_a_rebuild_of_a_stopped_view_goes_to_the_head(log, opened):
    views = opened(log)
    views.catch_up()
    views.projector.writers["runs"].error = "stopped by the test"
    (report,) = views.rebuild(["runs"])
    assert report.position == log.head()
    assert not any(status.error for status in views.status())


def test_verify_finds_a_row_that_was_changed_behind_the_log(log, opened):
    views = opened(log)
    views.catch_up()
    assert all(report.is_equal for report in views.verify())
    with views.projector.store.write() as connection:
        connection.exec_driver_sql("UPDATE registry_version_1 SET stage = 'production' WHERE number = 1")
    found = {report.projection: report.is_equal for report in views.verify()}
    assert found == {name: name != "registry" for name in NAMES}


def test_a_view_that_cannot_be_rebuilt_goes_on_serving(log, opened, monkeypatch):
    views = opened(log)
    views.catch_up()
    before = hashes(views)
    runs = views.projector.projections["runs"]
    monkeypatch.setitem(views.projector.projections, "runs", poisoned(runs, 50))
    with pytest.raises(ViewStopped, match="position 50"):
        views.rebuild(["runs"])
    monkeypatch.setitem(views.projector.projections, "runs", runs)
    assert hashes(views) == before
    with views.projector.store.read() as connection:
        assert len(generations.all_progress(connection)) == len(NAMES)


def test_an_unknown_view_cannot_be_rebuilt(log, opened):
    with pytest.raises(ViewUnknown):
        opened(log).rebuild(["nothing"])


def test_tables_of_another_version_are_made_anew(log, places):
    store = places.store("views")
    former = Projector(log, store, PROJECTIONS, owner="former")
    former.catch_up()
    former.close()
    newer = [
        replaced(each, version=each.version + 1) if each.name == "runs" else each for each in PROJECTIONS
    ]
    projector = Projector(log, store, newer, owner="newer")
    positions = {status.name: (status.generation, status.position) for status in projector.status()}
    assert positions == {name: (2, 0) if name == "runs" else (1, log.head()) for name in NAMES}
    projector.catch_up()
    assert all(status.position == log.head() for status in projector.status())
    projector.close()
    store.close()


def test_views_reopened_go_on_where_they_stood(log, places, opened):
    grown = with_events(log.events[:301])
    first = places.views("again", grown, page_size=100)
    first.catch_up()
    first.close()
    grown.events = log.events
    second = opened(grown, "again", page_size=100)
    assert {status.position for status in second.status()} == {301}
    second.catch_up()
    whole = opened(log, "whole")
    whole.catch_up()
    assert hashes(second) == hashes(whole)


def test_views_whose_progress_is_of_an_older_form_are_folded_afresh(log, tmp_path, opened):
    store = SqliteViews(tmp_path / "former.sqlite")
    with store.write() as connection:
        connection.exec_driver_sql("CREATE TABLE view_generation (projection TEXT, position INTEGER)")
        connection.exec_driver_sql("CREATE TABLE runs_run_1 (id TEXT)")
    store.close()
    views = open_views(tmp_path / "former.sqlite", log)
    assert {status.position for status in views.status()} == {0}
    views.catch_up()
    whole = opened(log, "whole")
    whole.catch_up()
    assert hashes(views) == hashes(whole)
    views.close()
