"""Slots across clock changes: a table, and what holds for every line in every zone."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.schedules.timetable import check_cron, next_slots, slots, zone_of
from domain.model_instance.errors import InstanceCronInvalid, InstanceTimezoneUnknown

NEW_YORK, BERLIN, TOKYO, LORD_HOWE = "America/New_York", "Europe/Berlin", "Asia/Tokyo", "Australia/Lord_Howe"
CHANGES = [
    # left out in the spring: once, at the first minute that exists
    (NEW_YORK, "30 2 * * *", "2026-03-08", ["07:00"]),
    (NEW_YORK, "0,30 2 * * *", "2026-03-08", ["07:00"]),
    (NEW_YORK, "0 2,3 * * *", "2026-03-08", ["07:00"]),
    (BERLIN, "30 2 * * *", "2026-03-29", ["01:00"]),
    (LORD_HOWE, "15 2 * * *", "2026-10-03", ["15:30"]),
    # twice in the autumn: once, the first time
    (NEW_YORK, "30 1 * * *", "2026-11-01", ["05:30"]),
    (BERLIN, "30 2 * * *", "2026-10-25", ["00:30"]),
    (LORD_HOWE, "45 1 * * *", "2026-04-04", ["14:45"]),
    # lines that run through the hours follow elapsed time
    (NEW_YORK, "*/30 1 * * *", "2026-11-01", ["05:00", "05:30", "06:00", "06:30"]),
    (NEW_YORK, "*/30 2 * * *", "2026-03-08", []),
    (LORD_HOWE, "*/30 1 * * *", "2026-04-04", ["14:00", "14:30", "15:00"]),
    (LORD_HOWE, "*/10 2 * * *", "2026-04-04", ["15:30", "15:40", "15:50", "16:00", "16:10", "16:20"]),
    # no clock changes
    (TOKYO, "30 2 * * *", "2026-03-08", ["17:30"]),
    ("Asia/Kolkata", "0 2 * * *", "2026-03-08", ["20:30"]),
    ("UTC", "0 0 29 2 *", "2028-02-29", ["00:00"]),
]


@pytest.mark.parametrize(("zone", "cron", "day", "expected"), CHANGES)
def test_a_clock_change_has_the_slots_of_the_table(
    zone: str, cron: str, day: str, expected: list[str]
) -> None:
    start = datetime.fromisoformat(f"{day}T00:00+00:00") - timedelta(minutes=1)
    found = slots(cron, zone, start, start + timedelta(days=1))
    assert [f"{one:%H:%M}" for one in found] == expected


@pytest.mark.parametrize(
    "cron",
    [
        "",
        "* * * *",
        "* * * * * *",
        "61 * * * *",
        "* 24 * * *",
        "0 0 30 2 *",
        "0 0 31 4,6 *",
        "*/0 * * * *",
        "@daily",
    ],
)
def test_a_line_that_cannot_be_read_or_never_comes_is_refused(cron: str) -> None:
    with pytest.raises(InstanceCronInvalid):
        check_cron(cron)


@given(
    st.text(max_size=30) | st.from_regex(r"([0-9*,/#LW-]{1,5} ){4}[0-9*,/#LWMONFRI-]{1,6}", fullmatch=True)
)
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    try:
        check_cron(text)
    except InstanceCronInvalid:
        return
    assert next_slots(text, NEW_YORK, datetime(2026, 1, 1, tzinfo=UTC), 1)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc", "/etc/passwd", "a\x00b"])
def test_a_zone_that_there_is_not_is_refused(zone: str) -> None:
    with pytest.raises(InstanceTimezoneUnknown):
        zone_of(zone)


MINUTES = st.sampled_from(["0", "30", "*/15", "5-50/20", "0,59"])
HOURS = st.sampled_from(["*", "1", "2", "1,2,3", "*/2", "0", "23"])
ZONES = st.sampled_from([NEW_YORK, BERLIN, TOKYO, LORD_HOWE, "America/Havana", "Asia/Kolkata", "UTC"])
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


@settings(max_examples=60)
@given(MINUTES, HOURS, st.sampled_from(["*", "1-5", "0"]), ZONES, MOMENTS, st.integers(1, 40 * 24 * 60))
def test_slots_increase_and_do_not_depend_on_where_one_begins(
    minute: str, hour: str, weekday: str, zone: str, after: datetime, minutes: int
) -> None:
    cron, until = f"{minute} {hour} * * {weekday}", after + timedelta(minutes=minutes)
    found = list(slots(cron, zone, after, until))
    assert all(one < other for one, other in pairwise(found))
    assert all(after < one <= until and one.second == one.microsecond == 0 for one in found)
    middle = after + (until - after) / 2
    assert found == [*slots(cron, zone, after, middle), *slots(cron, zone, middle, until)]
