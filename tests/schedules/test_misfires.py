"""What becomes of slots that came while nothing submitted runs."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.schedules.misfires import CAUGHT_UP_MAX, GRACE, OLDEST, Misfire, plan
from tests.support.valid import NOW

HOURS_LATE = [NOW - timedelta(hours=hours) for hours in (3, 2, 1)]


@pytest.mark.parametrize(("misfire", "runs"), [("skip", 0), ("run_once", 1), ("catch_up", 3)])
def test_of_late_slots_none_runs_or_the_newest_or_all(misfire: Misfire, runs: int) -> None:
    decided = plan(HOURS_LATE, misfire, NOW)
    assert decided.runs == tuple(HOURS_LATE[3 - runs :])
    assert [slot for slot, _ in decided.skips] == HOURS_LATE[: 3 - runs]
    assert all(cause == f"misfire.{misfire}" for _, cause in decided.skips)


def test_a_slot_on_time_is_the_one_run() -> None:
    decided = plan([*HOURS_LATE, NOW], "run_once", NOW)
    assert decided.runs == (NOW,)
    assert len(decided.skips) == 3


def test_what_is_older_than_a_week_or_too_much_never_runs() -> None:
    old = NOW - OLDEST - timedelta(minutes=1)
    assert plan([old], "catch_up", NOW).skips == ((old, "misfire.too_old"),)
    assert plan([old], "run_once", NOW).runs == ()
    many = [NOW - timedelta(hours=150) + timedelta(hours=hour) for hour in range(CAUGHT_UP_MAX + 20)]
    decided = plan(many, "catch_up", NOW)
    assert decided.runs == tuple(many[20:])
    assert {cause for _, cause in decided.skips} == {"misfire.too_many"}


@given(
    st.lists(st.integers(0, 12 * 24 * 60), unique=True, max_size=300),
    st.sampled_from(["skip", "run_once", "catch_up"]),
)
def test_every_slot_runs_or_is_skipped_and_none_both(ages: list[int], misfire: Misfire) -> None:
    due = sorted(NOW - timedelta(minutes=age) for age in ages)
    decided = plan(due, misfire, NOW)
    assert sorted([*decided.runs, *(slot for slot, _ in decided.skips)]) == due
    assert all(slot in decided.runs for slot in due if slot >= NOW - GRACE)
