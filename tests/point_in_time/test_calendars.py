"""Calendars: sessions and closes, with clear refusals outside their range."""

from datetime import UTC, date, datetime

import pytest

from application.errors import CalendarDayNotASession, CalendarRangeExceeded, CalendarUnknown
from infrastructure.calendars import ExchangeSessions

SESSIONS = ExchangeSessions()


def test_sessions_come_with_their_close_in_utc_and_half_days_are_earlier():
    assert SESSIONS.closes("XNYS", date(2024, 7, 3), date(2024, 7, 5)) == [
        (date(2024, 7, 3), datetime(2024, 7, 3, 17, tzinfo=UTC)),
        (date(2024, 7, 5), datetime(2024, 7, 5, 20, tzinfo=UTC)),
    ]


def test_a_weekend_has_no_session_and_is_no_error():
    assert SESSIONS.closes("XNYS", date(2024, 1, 13), date(2024, 1, 15)) == []


def test_an_unknown_calendar_is_refused_by_name():
    assert SESSIONS.known("XNYS")
    assert not SESSIONS.known("NOPE")
    with pytest.raises(CalendarUnknown, match="NOPE"):
        SESSIONS.closes("NOPE", date(2024, 1, 1), date(2024, 1, 2))


@pytest.mark.parametrize(
    "first, last", [(date(1959, 1, 1), date(2024, 1, 1)), (date(2024, 1, 1), date(2099, 1, 1))]
)
def test_beyond_its_range_a_calendar_says_how_far_it_reaches(first, last):
    with pytest.raises(CalendarRangeExceeded, match="1985-01-01"):
        SESSIONS.closes("XNYS", first, last)


def test_a_calendar_recorded_from_a_later_day_on_begins_there():
    assert SESSIONS.range("XTKS")[0] == date(1997, 1, 1)
    with pytest.raises(CalendarRangeExceeded, match="1997-01-01"):
        SESSIONS.closes("XTKS", date(1996, 1, 1), date(2000, 1, 1))


def test_the_close_of_a_day_that_is_no_session_is_refused():
    assert SESSIONS.close_of("XNYS", date(2023, 11, 24)) == datetime(2023, 11, 24, 18, tzinfo=UTC)
    with pytest.raises(CalendarDayNotASession, match="2024-01-15"):
        SESSIONS.close_of("XNYS", date(2024, 1, 15))


def test_a_calendar_knows_its_zone():
    assert SESSIONS.zone("XNYS").key == "America/New_York"
