"""The projector follows the log in a thread and lets readers wait for what they wrote."""

import threading

import pytest

from application.queries import (
    CursorMalformed,
    DefinitionFilter,
    FilterMalformed,
    InstanceFilter,
    LimitOutOfRange,
    MetricFilter,
    Paging,
    RunFilter,
)
from domain.shared.errors import AsOfBeyondLog, ProjectionBehind
from domain.shared.times import LogMoment, from_micros
from tests.projections.support.generated import TENANTS


def test_a_reader_sees_its_own_write(generator, opened):
    views = opened(generator.log)
    views.start()
    for _ in range(20):
        generator.step()
        views.wait(generator.log.head(), 10)
        assert {status.position for status in views.status()} == {generator.log.head()}


def test_a_wait_that_takes_too_long_says_how_far_the_view_is(log, opened):
    views = opened(log)
    with pytest.raises(ProjectionBehind, match="stands at 0, not yet at 600") as behind:
        views.wait(600, 0.01)
    assert behind.value.facts["position"] == 0


def test_waking_folds_in_the_callers_thread(log, opened):
    views = opened(log)
    views.projector.wake()
    assert {status.position for status in views.status()} == {log.head()}


def test_waking_does_not_wait_for_a_thread_that_folds(log, opened):
    views = opened(log)
    with views.projector.turn:
        other = threading.Thread(target=views.projector.wake)
        other.start()
        other.join(10)
        assert not other.is_alive()
    assert {status.position for status in views.status()} == {0}


def test_a_stopped_projector_can_be_started_again(generator, opened):
    views = opened(generator.log)
    views.start()
    views.wait(generator.log.head(), 10)
    views.projector.stop()
    generator.step()
    generator.step()
    views.start()
    views.wait(generator.log.head(), 10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_log_that_cannot_be_read_is_reported(generator, opened, monkeypatch):
    views = opened(generator.log)
    monkeypatch.setattr(generator.log, "read", lambda after, limit: 1 / 0)
    views.start()
    with pytest.raises(ProjectionBehind, match="ZeroDivisionError"):
        views.wait(generator.log.head(), 10)
    assert all(status.status == "stopped" for status in views.status())


def test_a_query_waits_for_a_view_that_is_behind(log, opened):
    views = opened(log)
    views.start()
    page = views.queries.instances(TENANTS[0], InstanceFilter(), Paging(), LogMoment(log.head()))
    assert page.position == log.head()


def test_a_position_beyond_the_log_is_refused(log, opened):
    views = opened(log)
    views.catch_up()
    with pytest.raises(AsOfBeyondLog):
        views.queries.instance(TENANTS[0], "inst-0", LogMoment(log.head() + 1))


def test_a_time_is_the_last_position_recorded_by_then(log, opened):
    queries = opened(log).queries
    middle = log.events[300]
    expected = max(each.position for each in log.events if each.recorded_at_us <= middle.recorded_at_us)
    assert queries.moment_of(from_micros(middle.recorded_at_us)) == LogMoment(expected)
    assert queries.moment_of(from_micros(0)) == LogMoment(0)


def test_a_cursor_keeps_its_moment_while_the_log_grows(generator, opened):
    views = opened(generator.log)
    views.catch_up()
    ask = views.queries.definitions
    whole = ask(TENANTS[0], DefinitionFilter(), Paging(limit=500))
    page = ask(TENANTS[0], DefinitionFilter(), Paging(limit=1))
    for _ in range(100):
        generator.step()
    views.catch_up()
    items = list(page.items)
    while page.next_cursor is not None:
        page = ask(TENANTS[0], DefinitionFilter(), Paging(limit=2, cursor=page.next_cursor))
        assert page.position == whole.position
        items += page.items
    assert tuple(items) == whole.items


def test_a_cursor_fits_only_its_own_list(log, opened):
    views = opened(log)
    views.catch_up()
    ask = views.queries.definitions
    cursor = ask(TENANTS[0], DefinitionFilter(), Paging(limit=1)).next_cursor
    for tenant, filters, text in (
        (TENANTS[1], DefinitionFilter(), cursor),
        (TENANTS[0], DefinitionFilter(state="passed"), cursor),
        (TENANTS[0], DefinitionFilter(), "%%%"),
        (TENANTS[0], DefinitionFilter(), "AAAA"),
        (TENANTS[0], DefinitionFilter(), "é"),
    ):
        with pytest.raises(CursorMalformed):
            ask(tenant, filters, Paging(limit=1, cursor=text))
    with pytest.raises(CursorMalformed):
        views.queries.runs(TENANTS[0], RunFilter(), Paging(cursor=cursor))


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_holds_1_to_500_items(log, opened, limit):
    with pytest.raises(LimitOutOfRange):
        opened(log).queries.definitions(TENANTS[0], DefinitionFilter(), Paging(limit=limit))


@pytest.mark.parametrize("sort", ["name", "metric.", "-", 'metric.a"b', "", "Submitted"])
def test_an_unknown_sort_of_runs_is_refused(log, opened, sort):
    views = opened(log)
    views.catch_up()
    with pytest.raises(FilterMalformed):
        views.queries.runs(TENANTS[0], RunFilter(sort=sort), Paging())


@pytest.mark.parametrize("bound", ["0.02", "gt:", "gt:nan", "gt:inf", "about:1", "gt:1:2", ""])
def test_a_malformed_bound_of_a_metric_is_refused(bound):
    with pytest.raises(FilterMalformed):
        MetricFilter.parse("rank_ic", bound)


def test_a_metric_name_with_dots_is_one_name(log, opened):
    views = opened(log)
    views.catch_up()
    bound = MetricFilter.parse("a.b/c-d", "gt:0")
    assert views.queries.runs(TENANTS[0], RunFilter(metrics=(bound,)), Paging()).items == ()


def test_no_tenant_sees_anothers_events_by_position(log, opened):
    views = opened(log)
    views.catch_up()
    for recorded in log.events[:100]:
        other = next(tenant for tenant in TENANTS if tenant != recorded.tenant)
        assert views.queries.event(other, recorded.position) is None
        assert views.queries.event(recorded.tenant, recorded.position).position == recorded.position
