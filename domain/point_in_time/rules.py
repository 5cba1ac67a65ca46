"""Point in time as pure functions: R0, R4-R6, R8, R11, R12 and L5. Moments are aware datetimes."""

import re
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.point_in_time.errors import (
    PitBackdatedWrite,
    PitDecisionTimeMalformed,
    PitInputNotDeclared,
    PitKnowledgeBeforeDate,
    PitKnowledgeInFuture,
    PitModelFromFuture,
    PitNaiveTimestamp,
    PitReadAfterAsOf,
    PitTrainAfterPredict,
)
from domain.shared.errors import AsOfMalformed

KNOWLEDGE_TOLERANCE = timedelta(minutes=5)
"""How far ahead of the write a `knowledge_date` may lie: clocks differ."""

_BARE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_WALL_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]) ([A-Za-z0-9_+/-]+)")


def aware(moment: datetime, what: str) -> datetime:
    """The moment in UTC (R4); `what` names it in the error. Raises PitNaiveTimestamp."""
    if moment.utcoffset() is None:
        raise PitNaiveTimestamp(f"{what} {moment.isoformat()} has no offset", what=what)
    return moment.astimezone(UTC)


def parse_as_of(text: str, close_of: Callable[[date], datetime] | None = None) -> datetime:
    """Read an `as_of` (R4): RFC 3339 with offset; with a calendar a bare date means that session's close.

    `close_of` gives a session's close and raises for other days. Raises PitNaiveTimestamp, AsOfMalformed.
    """
    if _BARE_DATE.fullmatch(text):
        return _close_of_bare_date(text, close_of)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise AsOfMalformed(f"as_of {text!r} is not an RFC 3339 time") from None
    return aware(moment, "as_of")


def _close_of_bare_date(text: str, close_of: Callable[[date], datetime] | None) -> datetime:
    if close_of is None:
        raise PitNaiveTimestamp(
            f"as_of {text} is a bare date and there is no calendar to say when it ends", what="as_of"
        )
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise AsOfMalformed(f"as_of {text!r} is not a date") from None
    return close_of(day)


def wall_clock(text: str) -> tuple[time, ZoneInfo]:
    """Read a `decision_time` such as `16:30 America/New_York`; raises PitDecisionTimeMalformed."""
    found = _WALL_CLOCK.fullmatch(text)
    if not found:
        raise PitDecisionTimeMalformed(f"{text!r} is not HH:MM and a zone")
    try:
        return time(int(found[1]), int(found[2])), ZoneInfo(found[3])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PitDecisionTimeMalformed(f"{found[3]!r} is not a known time zone") from None


def decision_time(session: date, *, close: datetime | None, at: str | None, as_of: datetime) -> datetime:
    """R0: the instance's own time of day, else the session's close, else the run's `as_of`."""
    if at is not None:
        clock, zone = wall_clock(at)
        return datetime.combine(session, clock, zone).astimezone(UTC)
    return as_of if close is None else close


def needs_backfill(oldest: datetime, high_water: datetime | None) -> bool:
    """R5: whether rows known as early as `oldest` are history, seen from the parent's newest knowledge."""
    return high_water is not None and oldest < high_water


def check_not_backdated(oldest: datetime, high_water: datetime | None, key: str) -> None:
    """R5 for a version that is not a backfill; `key` names the oldest row. Raises PitBackdatedWrite."""
    if high_water is not None and oldest < high_water:
        raise PitBackdatedWrite(
            f"row {key} has knowledge_date {_text(oldest)}, the dataset already holds {_text(high_water)}",
            key=key,
            knowledge_date=_text(oldest),
            high_water=_text(high_water),
        )


def check_knowledge_not_in_future(newest: datetime, written_at: datetime, key: str) -> None:
    """Rule 8: nothing is known more than five minutes after it is written. Raises PitKnowledgeInFuture."""
    if newest > written_at + KNOWLEDGE_TOLERANCE:
        raise PitKnowledgeInFuture(
            f"row {key} has knowledge_date {_text(newest)}, written at {_text(written_at)}",
            key=key,
            knowledge_date=_text(newest),
        )


def earliest_knowledge(day: date, zone: ZoneInfo, early_days: int) -> datetime:
    """R8: the first moment at which a row about `day` may be known without being a forecast."""
    return datetime.combine(day - timedelta(days=early_days), time(), zone).astimezone(UTC)


def check_not_a_forecast(
    day: date, knowledge_date: datetime, *, zone: ZoneInfo, early_days: int, forward_looking: bool, key: str
) -> None:
    """R8 for one row; raises PitKnowledgeBeforeDate."""
    if not forward_looking and knowledge_date < earliest_knowledge(day, zone, early_days):
        raise PitKnowledgeBeforeDate(
            f"row {key} known at {_text(knowledge_date)}, before {day} ({zone.key}, early_days={early_days})",
            key=key,
            knowledge_date=_text(knowledge_date),
        )


def check_model_known(trained_as_of: datetime, decision: datetime) -> None:
    """R6: a model predicts only decisions at or after what it was trained on. Raises PitModelFromFuture."""
    if trained_as_of > decision:
        raise PitModelFromFuture(
            f"trained as of {_text(trained_as_of)}, decision of {_text(decision)}",
            trained_as_of=_text(trained_as_of),
            decision_time=_text(decision),
        )


def check_out_of_sample(trained_as_of: datetime, decision: datetime, key: str) -> None:
    """L5: a prediction's model knew nothing after the decision time. Raises PitTrainAfterPredict."""
    if trained_as_of > decision:
        raise PitTrainAfterPredict(
            f"prediction {key} of {_text(decision)} was made by a model trained as of {_text(trained_as_of)}",
            key=key,
        )


def check_read(role: str, as_of: datetime, *, pinned: Collection[str], run_as_of: datetime) -> None:
    """R12: in a run only pinned inputs, not later than the run. Raises PitInputNotDeclared,
    PitReadAfterAsOf.
    """
    if role not in pinned:
        raise PitInputNotDeclared(
            f"{role!r} is not among the run's inputs: {', '.join(sorted(pinned)) or 'none'}", role=role
        )
    if aware(as_of, "as_of") > run_as_of:
        raise PitReadAfterAsOf(
            f"{role!r} read as of {_text(as_of)}, the run is as of {_text(run_as_of)}", role=role
        )


def is_survivorship(past: Iterable[Collection[str]], today: Collection[str]) -> bool:
    """R11: whether the universe of every past date equals today's, so that whoever left was never there."""
    universes = [frozenset(universe) for universe in past]
    return bool(universes) and all(universe == frozenset(today) for universe in universes)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
