"""Trading calendars of exchange_calendars, read when first asked for: importing it takes about a second."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from application.errors import CalendarDayNotASession, CalendarRangeExceeded, CalendarUnknown

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

FIRST_DAY = date(1985, 1, 1)
"""How far back calendars are asked to go; some begin later."""


class ExchangeSessions:
    """Implements `application.ports.Sessions`."""

    def known(self, calendar: str) -> bool:
        """Whether there is such a calendar."""
        import exchange_calendars

        return calendar in exchange_calendars.get_calendar_names(include_aliases=True)

    def closes(self, calendar: str, first: date, last: date) -> Sequence[tuple[date, datetime]]:
        """Sessions in [first, last] with their close (UTC), in order. Raises CalendarUnknown,
        CalendarRangeExceeded.
        """
        begins, ends = _range(calendar)
        if first < begins or last > ends:
            raise CalendarRangeExceeded(
                f"{calendar} is known from {begins} to {ends}, asked for {first} to {last}"
            )
        sessions, moments = _schedule(calendar)
        part = slice(bisect_left(sessions, first), bisect_right(sessions, last))
        return list(zip(sessions[part], moments[part], strict=True))

    def close_of(self, calendar: str, session: date) -> datetime:
        """The close (UTC) of one session. Raises CalendarDayNotASession beside the errors of `closes`."""
        found = self.closes(calendar, session, session)
        if not found:
            raise CalendarDayNotASession(f"{session} is not a session of {calendar}")
        return found[0][1]

    def zone(self, calendar: str) -> ZoneInfo:
        """The exchange's time zone. Raises CalendarUnknown."""
        return ZoneInfo(str(_calendar(calendar).tz))

    def range(self, calendar: str) -> tuple[date, date]:
        """The first and the last day that the calendar can tell about. Raises CalendarUnknown."""
        return _range(calendar)


@lru_cache(maxsize=32)
def _calendar(name: str) -> "ExchangeCalendar":
    import exchange_calendars
    from exchange_calendars.errors import InvalidCalendarName

    try:
        return exchange_calendars.get_calendar(name, start=FIRST_DAY.isoformat())
    except InvalidCalendarName:
        raise CalendarUnknown(f"{name!r} is not a trading calendar") from None
    except ValueError:  # its holidays are recorded from a later day on
        return exchange_calendars.get_calendar(name, start=exchange_calendars.get_calendar(name).bound_min())


@lru_cache(maxsize=32)
def _schedule(name: str) -> tuple[list[date], list[datetime]]:
    """Sessions and closes, each ascending."""
    calendar = _calendar(name)
    closes = calendar.schedule["close"].dt.to_pydatetime()
    return [session.date() for session in calendar.sessions], [close.astimezone(UTC) for close in closes]


def _range(name: str) -> tuple[date, date]:
    calendar = _calendar(name)
    bound = calendar.bound_min()
    begins = FIRST_DAY if bound is None else max(FIRST_DAY, bound.date())
    return begins, calendar.last_session.date()
