"""What contracts may know of a run beside its output, taken from its pins by the executor itself."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache, partial

from application.ports import DatasetStore, MeasuredInput, MeasuredRun, Sessions
from domain.point_in_time import decision_time
from infrastructure.execution.work import InputSource, RunWork


def measured_run(
    work: RunWork,
    datasets: DatasetStore,
    sessions: Sessions,
    entities: int | None,
    decisions: Sequence[date] | None,
) -> MeasuredRun:
    """The run's facts; `decisions` are the dates that its code picked, their times are not its to say."""
    moments = None if decisions is None else _moments(work, sessions, decisions)
    return MeasuredRun(
        as_of=work.run.as_of,
        entities=entities,
        decisions=moments,
        trained_as_of=None if work.run.model is None else work.run.model.trained_as_of,
        inputs={one.role: _input(one, work, datasets, sessions) for one in work.inputs if one.use == "input"},
    )


def _input(source: InputSource, work: RunWork, datasets: DatasetStore, sessions: Sessions) -> MeasuredInput:
    calendar = source.calendar or work.run.config.calendar
    return MeasuredInput(
        rows=cache(partial(datasets.read, source.manifest_sha256, work.run.as_of)),
        revisions=cache(partial(datasets.read_revisions, source.manifest_sha256, work.run.as_of)),
        sessions=None if calendar is None else partial(sessions.closes, calendar),
    )


def _moments(work: RunWork, sessions: Sessions, days: Sequence[date]) -> Mapping[date, datetime]:
    """R0 for each date. A decision that the run may not make, outside its range or after its `as_of`, has
    none.
    """
    asked, as_of = work.run.decisions, work.run.as_of
    inside = sorted(day for day in set(days) if asked is None or asked.first <= day <= asked.last)
    closes = _closes(work, sessions, inside)
    moments = {
        day: decision_time(day, close=closes.get(day), at=work.run.config.decision_time, as_of=as_of)
        for day in inside
    }
    return {day: moment for day, moment in moments.items() if moment <= as_of}


def _closes(work: RunWork, sessions: Sessions, days: Sequence[date]) -> Mapping[date, datetime]:
    """The sessions' closes; without a calendar there are none, and R0 takes the run's `as_of`."""
    primary = next((one for one in work.inputs if one.use == "input"), work.inputs[0])
    calendar = work.run.config.calendar or primary.calendar
    return {} if calendar is None or not days else dict(sessions.closes(calendar, days[0], days[-1]))
