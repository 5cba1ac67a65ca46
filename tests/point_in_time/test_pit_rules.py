"""The rules of point in time as pure functions."""

from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.point_in_time import (
    PitBackdatedWrite,
    PitDecisionTimeMalformed,
    PitInputNotDeclared,
    PitKnowledgeBeforeDate,
    PitKnowledgeInFuture,
    PitModelFromFuture,
    PitNaiveTimestamp,
    PitReadAfterAsOf,
    PitTrainAfterPredict,
    aware,
    check_knowledge_not_in_future,
    check_model_known,
    check_not_a_forecast,
    check_not_backdated,
    check_out_of_sample,
    check_read,
    decision_time,
    earliest_knowledge,
    needs_backfill,
    parse_as_of,
    wall_clock,
)
from domain.shared.errors import AsOfMalformed

NOON = datetime(2024, 3, 8, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
NEW_YORK = ZoneInfo("America/New_York")


def test_codes_are_those_of_the_specification():
    assert [error.code for error in (PitNaiveTimestamp, PitBackdatedWrite, PitKnowledgeBeforeDate)] == [
        "pit.naive_timestamp",
        "pit.backdated_write",
        "pit.knowledge_before_date",
    ]
    assert [error.code for error in (PitModelFromFuture, PitInputNotDeclared, PitReadAfterAsOf)] == [
        "pit.model_from_future",
        "pit.input_not_declared",
        "pit.read_after_as_of",
    ]
    assert (PitKnowledgeInFuture.code, PitTrainAfterPredict.code) == (
        "pit.knowledge_in_future",
        "pit.train_after_predict",
    )


# --- R0: decision time ---


def test_the_decision_time_is_the_close_unless_the_instance_says_otherwise():
    as_of = datetime(2024, 3, 20, tzinfo=UTC)
    assert decision_time(NOON.date(), close=NOON, at=None, as_of=as_of) == NOON
    assert decision_time(NOON.date(), close=None, at=None, as_of=as_of) == as_of
    own = decision_time(NOON.date(), close=NOON, at="16:30 America/New_York", as_of=as_of)
    assert own == datetime(2024, 3, 8, 21, 30, tzinfo=UTC)


def test_a_decision_time_follows_daylight_saving():
    at = "16:05 America/New_York"
    times = [decision_time(date(2024, 3, day), close=None, at=at, as_of=NOON) for day in (8, 11)]
    assert [moment.hour for moment in times] == [21, 20]


@pytest.mark.parametrize(
    "text", ["16:30", "24:00 UTC", "16:60 UTC", "16:30 Mars/Olympus", "4pm UTC", "16:30 ../etc"]
)
def test_a_malformed_decision_time_is_refused(text):
    with pytest.raises(PitDecisionTimeMalformed):
        wall_clock(text)


# --- R4: timestamps ---


@pytest.mark.parametrize(
    "text",
    ["2024-03-08T12:00:00Z", "2024-03-08T07:00:00-05:00", "2024-03-08 12:00+00:00", "20240308T120000Z"],
)
def test_an_as_of_with_an_offset_is_a_moment(text):
    assert parse_as_of(text) == NOON


@pytest.mark.parametrize("text", ["2024-03-08T12:00:00", "2024-03-08 12:00", "2024-03-08"])
def test_a_naive_as_of_or_bare_date_is_refused(text):
    with pytest.raises(PitNaiveTimestamp):
        parse_as_of(text)


@pytest.mark.parametrize("text", ["", "now", "71", "2024-13-01T00:00:00Z"])
def test_what_is_no_time_is_refused_as_malformed(text):
    with pytest.raises(AsOfMalformed):
        parse_as_of(text)


def test_a_bare_date_means_its_close_where_there_is_a_calendar():
    assert parse_as_of("2024-03-08", {NOON.date(): NOON}.__getitem__) == NOON
    with pytest.raises(AsOfMalformed):
        parse_as_of("2024-02-30", {}.__getitem__)


@given(st.datetimes(min_value=datetime(1900, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_every_offset_of_a_moment_reads_the_same(naive, minutes):
    moment = naive.replace(tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert parse_as_of(elsewhere.isoformat()) == aware(elsewhere, "as_of") == moment


# --- R5, R8 and the limit of the future ---


def test_equal_to_the_high_water_mark_is_not_backdated():
    check_not_backdated(NOON, NOON, "k")
    check_not_backdated(NOON, None, "k")
    assert not needs_backfill(NOON, NOON)
    assert not needs_backfill(NOON, None)
    assert needs_backfill(NOON - TICK, NOON)
    with pytest.raises(PitBackdatedWrite, match="2024-03-08/A"):
        check_not_backdated(NOON - TICK, NOON, "2024-03-08/A")


def test_five_minutes_ahead_of_the_write_are_tolerated():
    limit = NOON + timedelta(minutes=5)
    check_knowledge_not_in_future(limit, NOON, "k")
    with pytest.raises(PitKnowledgeInFuture):
        check_knowledge_not_in_future(limit + TICK, NOON, "k")


def test_a_row_may_be_known_from_the_first_moment_of_its_date():
    day = date(2024, 3, 11)
    midnight = datetime(2024, 3, 11, 4, tzinfo=UTC)  # New York, daylight saving since the day before
    assert earliest_knowledge(day, NEW_YORK, 0) == midnight
    check = partial(check_not_a_forecast, day, zone=NEW_YORK, key="2024-03-11/A")
    check(midnight, early_days=0, forward_looking=False)
    with pytest.raises(PitKnowledgeBeforeDate, match="America/New_York"):
        check(midnight - TICK, early_days=0, forward_looking=False)
    check(midnight - TICK, early_days=1, forward_looking=False)
    check(midnight - timedelta(days=99), early_days=0, forward_looking=True)


# --- R6, L5, R12 ---


def test_a_model_decides_only_from_its_own_moment_on():
    check_model_known(NOON, NOON)
    with pytest.raises(PitModelFromFuture):
        check_model_known(NOON + TICK, NOON)


def test_predictions_used_for_training_are_out_of_sample():
    check_out_of_sample(NOON, NOON, "k")
    with pytest.raises(PitTrainAfterPredict, match="2024-03-08/A"):
        check_out_of_sample(NOON + TICK, NOON, "2024-03-08/A")


def test_a_run_reads_what_it_pinned_up_to_its_own_moment():
    check_read("prices", NOON, pinned={"prices"}, run_as_of=NOON)
    with pytest.raises(PitInputNotDeclared, match="prices"):
        check_read("news", NOON, pinned={"prices"}, run_as_of=NOON)
    with pytest.raises(PitReadAfterAsOf):
        check_read("prices", NOON + TICK, pinned={"prices"}, run_as_of=NOON)
    with pytest.raises(PitNaiveTimestamp):
        check_read("prices", NOON.replace(tzinfo=None), pinned={"prices"}, run_as_of=NOON)
