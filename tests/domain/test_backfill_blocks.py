"""A backfill's range in blocks, and which version predicts which dates."""

import itertools
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.run.errors import RunBackfillInvalid
from domain.run.folds import FOLDS_MAX, Known, block_of, blocks, spans, trigger_of
from domain.run.pins import DateRange

DAYS = st.dates(date(1990, 1, 1), date(2030, 12, 31))


@given(DAYS, st.integers(0, 9000), st.sampled_from(["1y", "2y", "1q", "6m", "11m"]))
def test_blocks_cover_the_range_once_and_in_order(first: date, length: int, every: str) -> None:
    last = first + timedelta(days=length)
    found = blocks(first, last, every)
    assert (found[0].first, found[-1].last) == (first, last)
    for block, following in itertools.pairwise(found):
        assert block.first <= block.last == following.first - timedelta(days=1)


def test_a_block_that_begins_on_the_31st_goes_by_the_last_day_of_shorter_months() -> None:
    starts = [one.first for one in blocks(date(2024, 1, 31), date(2024, 5, 31), "1m")]
    assert starts == [
        date(2024, 1, 31),
        date(2024, 2, 29),
        date(2024, 3, 31),
        date(2024, 4, 30),
        date(2024, 5, 31),
    ]


def test_blocks_of_sessions_begin_at_every_nth_session() -> None:
    sessions = [date(2024, 1, day) for day in (2, 3, 4, 5, 8)]
    found = blocks(date(2024, 1, 1), date(2024, 1, 8), "2", sessions)
    assert [one.first.day for one in found] == [2, 4, 8]


@pytest.mark.parametrize("every", ["", "0y", "1w", "y", "-1y", "1.5y", "1y ", "7"])
def test_a_rhythm_that_is_none_is_refused(every: str) -> None:
    with pytest.raises(RunBackfillInvalid):
        blocks(date(2020, 1, 1), date(2024, 1, 1), every)


def test_a_backwards_range_and_too_many_refits_are_refused() -> None:
    with pytest.raises(RunBackfillInvalid, match="after"):
        blocks(date(2024, 1, 2), date(2024, 1, 1), "1y")
    with pytest.raises(RunBackfillInvalid, match=str(FOLDS_MAX)):
        blocks(date(1990, 1, 1), date(2020, 1, 1), "1m")


@given(DAYS, DAYS)
def test_a_trigger_names_its_block(one: date, other: date) -> None:
    block = DateRange(first=one, last=other)
    assert block_of(trigger_of(block)) == block


@pytest.mark.parametrize(
    "trigger", ["backfill", "manual", "backfill:2024-13-01/2024-01-01", "backfill:x/y", ""]
)
def test_other_triggers_name_no_block(trigger: str) -> None:
    assert block_of(trigger) is None


@given(
    st.lists(st.integers(0, 400), max_size=6),
    st.integers(1, 300),
)
def test_each_date_goes_to_the_version_that_had_seen_most_and_nothing_later(
    seen: list[int], days: int
) -> None:
    start = date(2024, 1, 1)
    versions = [Known(n + 1, _close(start + timedelta(days=day))) for n, day in enumerate(seen)]
    decisions = [(start + timedelta(days=n), _close(start + timedelta(days=n))) for n in range(days)]
    found = spans(decisions, versions)
    for day, moment in decisions:
        (number,) = [number for block, number in found if block.first <= day <= block.last]
        allowed = [(one.trained_as_of, one.number) for one in versions if one.trained_as_of <= moment]
        assert number == (max(allowed)[1] if allowed else None)
    assert all(one[1] != two[1] for one, two in itertools.pairwise(found))


def _close(day: date) -> datetime:
    return datetime.combine(day, time(21), UTC)
