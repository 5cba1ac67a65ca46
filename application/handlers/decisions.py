"""The decisions of an inference run: which sessions, the first and the last moment."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from application.context import Context
from domain.model_version.events import VersionRegistered
from domain.point_in_time import check_model_known, decision_time
from domain.run.commands import SubmitRun
from domain.run.errors import RunDecisionsInvalid
from domain.run.events import RunSubmitted

SIMULATED_AFTER = timedelta(hours=24)
"""Rule 21: recorded later than this after its last decision, a prediction version is simulated."""


def check_decisions(
    command: SubmitRun, version: VersionRegistered, as_of: datetime, context: Context
) -> None:
    """R6 for the first decision: the run repeats it for each row. Raises PitModelFromFuture and, for a
    range without a session, RunDecisionsInvalid.
    """
    first = as_of
    if command.first is not None and command.last is not None:
        reading = version.reading
        sessions = _sessions(reading.calendar, command.first, command.last, context)
        if reading.calendar is not None and not sessions:
            raise RunDecisionsInvalid(
                f"{reading.calendar} has no session in {command.first}..{command.last}",
                calendar=reading.calendar,
            )
        day, close = sessions[0] if sessions else (command.first, None)
        first = decision_time(day, close=close, at=reading.decision_time, as_of=as_of)
    check_model_known(version.trained_as_of, first)


def last_decision(run: RunSubmitted, context: Context) -> datetime:
    """The moment of the run's last decision."""
    if run.decisions is None:
        return run.as_of
    sessions = _sessions(run.config.calendar, run.decisions.first, run.decisions.last, context)
    day, close = sessions[-1] if sessions else (run.decisions.last, None)
    return decision_time(day, close=close, at=run.config.decision_time, as_of=run.as_of)


def _sessions(
    calendar: str | None, first: date, last: date, context: Context
) -> Sequence[tuple[date, datetime]]:
    return context.services.sessions.closes(calendar, first, last) if calendar is not None else ()
