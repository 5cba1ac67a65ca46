"""The two clocks of a request: the log's (`as_of` on views) and the world's (`as_of` on rows)."""

import re
from datetime import UTC, date, datetime

from application.errors import CalendarDayNotASession
from application.ports import ActivityLog, Sessions
from application.queries import Queries
from domain.point_in_time import parse_as_of
from domain.shared.errors import AsOfBeyondLog, AsOfInFuture, AsOfMalformed
from domain.shared.times import KnowledgeTime, LogMoment
from infrastructure.http.errors import RequestParameterMalformed
from projections.engine.snapshot import heard_head

_POSITION = re.compile(r"[0-9]{1,18}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2})?")
_BARE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def log_moment(
    text: str | None, log: ActivityLog, queries: Queries, wait_s: float, tenant: str
) -> LogMoment | None:
    """A position or a time on the log's clock; waits until the tenant's views are there.

    Raises AsOfMalformed, PitNaiveTimestamp, AsOfInFuture, AsOfBeyondLog, ProjectionBehind.
    """
    if text is None:
        return None
    moment = LogMoment(int(text)) if _POSITION.fullmatch(text) else queries.moment_of(past_time(text))
    wait_for(moment.position, log, queries, wait_s, tenant)
    return moment


def wait_for(position: int, log: ActivityLog, queries: Queries, wait_s: float, tenant: str) -> None:
    """Wait until a tenant's views have a position. Raises AsOfBeyondLog, ProjectionBehind."""
    head = heard_head(log, position)
    if position > head:
        raise AsOfBeyondLog(f"position {position} lies beyond the head, {head}", head=head)
    queries.wait(position, wait_s, tenant)


def knowledge_time(text: str | None, calendar: str | None, sessions: Sessions) -> KnowledgeTime:
    """A time on the world's clock, default now; a bare date is a session's close where there is a calendar.

    Raises AsOfMalformed, PitNaiveTimestamp, AsOfInFuture, CalendarDayNotASession.
    """
    if text is None:
        return KnowledgeTime(datetime.now(UTC))
    if calendar is not None and _BARE_DATE.fullmatch(text):
        return KnowledgeTime(_not_in_future(_close_of(calendar, _date(text), sessions), text))
    return KnowledgeTime(past_time(text))


def day(text: str | None, name: str) -> date | None:
    """A calendar date of a query parameter. Raises RequestParameterMalformed."""
    if text is None:
        return None
    try:
        return _date(text)
    except AsOfMalformed:
        raise RequestParameterMalformed(f"{name} {text!r} is not a date such as 2024-03-08") from None


def past_time(text: str) -> datetime:
    """An RFC 3339 time with offset that has come. Raises AsOfMalformed, PitNaiveTimestamp, AsOfInFuture."""
    if not (_TIME.fullmatch(text) or _BARE_DATE.fullmatch(text)):
        raise AsOfMalformed(f"as_of {text!r} is not an RFC 3339 time; is a '+' sent as %2B?")
    try:
        moment = parse_as_of(text.upper())
    except OverflowError:
        raise AsOfMalformed(f"as_of {text!r} is out of range") from None
    return _not_in_future(moment, text)


def _not_in_future(moment: datetime, text: str) -> datetime:
    if moment > datetime.now(UTC):
        raise AsOfInFuture(f"as_of {text} is later than now")
    return moment


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text) if _BARE_DATE.fullmatch(text) else _malformed(text)
    except ValueError:
        return _malformed(text)


def _malformed(text: str) -> date:
    raise AsOfMalformed(f"{text!r} is not a date such as 2024-03-08")


def _close_of(calendar: str, session: date, sessions: Sessions) -> datetime:
    closes = sessions.closes(calendar, session, session)
    if not closes:
        raise CalendarDayNotASession(f"{session} is not a session of {calendar}")
    return closes[0][1]
