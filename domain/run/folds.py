"""A backfill's range in blocks, each predicted by one model: pure arithmetic on dates and sessions."""

import calendar
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec

from domain.run.errors import RunBackfillInvalid
from domain.run.pins import DateRange

FOLDS_MAX = 200
"""All runs of a backfill are submitted in one append, which takes 256 events."""
_EVERY = re.compile("([1-9][0-9]{0,3})([ymq]?)")
_MONTHS = {"m": 1, "q": 3, "y": 12}
_TRIGGER = re.compile("backfill:([0-9]{4}-[0-9]{2}-[0-9]{2})/([0-9]{4}-[0-9]{2}-[0-9]{2})")
BACKFILL = "backfill"
"""The trigger of runs that a backfill submitted; its trainings name the block that follows them."""


class Known(msgspec.Struct, frozen=True):
    """A model version that a backfill may use: what it had seen decides for which dates."""

    number: int
    trained_as_of: datetime


def blocks(
    first: date, last: date, every: str, sessions: Sequence[date] | None = None
) -> tuple[DateRange, ...]:
    """The range in blocks of `1y`, `2q`, `6m` or, as a bare number, of so many sessions (None: no calendar).

    Raises RunBackfillInvalid.
    """
    matched = _EVERY.fullmatch(every)
    if matched is None:
        raise RunBackfillInvalid(
            f"refit {every!r} is none of 1y, 2q, 6m or a number of sessions", field="refit"
        )
    count, unit = int(matched[1]), matched[2]
    if first > last:
        raise RunBackfillInvalid(f"{first} is after {last}", field="from")
    starts = _by_months(first, last, count * _MONTHS[unit]) if unit else _by_sessions(count, sessions)
    if len(starts) > FOLDS_MAX:
        raise RunBackfillInvalid(f"{len(starts)} refits; one backfill has at most {FOLDS_MAX}", field="refit")
    ends = [start - timedelta(days=1) for start in starts[1:]]
    return tuple(DateRange(first=start, last=end) for start, end in zip(starts, [*ends, last], strict=True))


def _by_months(first: date, last: date, months: int) -> list[date]:
    starts = [first]
    while len(starts) <= FOLDS_MAX and (start := _later(first, months * len(starts))) <= last:
        starts.append(start)
    return starts


def _later(day: date, months: int) -> date:
    """So many months later; the 31st becomes the last day of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if year > date.max.year:
        return date.max
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _by_sessions(count: int, sessions: Sequence[date] | None) -> list[date]:
    if not sessions:
        raise RunBackfillInvalid(
            "a refit every so many sessions needs a calendar with sessions in the range", field="refit"
        )
    return list(sessions[::count])


def spans(
    decisions: Sequence[tuple[date, datetime]], versions: Sequence[Known]
) -> tuple[tuple[DateRange, int | None], ...]:
    """Consecutive decisions (date, moment) with the newest version that each may use; None: there was none.

    The newest is the one that had seen most, then the one registered last.
    """
    found: list[tuple[DateRange, int | None]] = []
    for day, moment in decisions:
        known = [(one.trained_as_of, one.number) for one in versions if one.trained_as_of <= moment]
        number = max(known)[1] if known else None
        if found and found[-1][1] == number:
            found[-1] = (DateRange(first=found[-1][0].first, last=day), number)
        else:
            found.append((DateRange(first=day, last=day), number))
    return tuple(found)


def trigger_of(block: DateRange) -> str:
    """The trigger of the training whose version predicts this block."""
    return f"{BACKFILL}:{block.first}/{block.last}"


def block_of(trigger: str) -> DateRange | None:
    """The block that a training of a backfill is followed by; None for every other trigger."""
    matched = _TRIGGER.fullmatch(trigger)
    try:
        return matched and DateRange(
            first=date.fromisoformat(matched[1]), last=date.fromisoformat(matched[2])
        )
    except ValueError:
        return None
