"""Use case of a backfill: all of its runs in one append, so that they are one workflow or none."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from application.context import Context, write
from application.handlers.facts import load_instance, load_version
from application.handlers.gates import let_pass, submission_gate
from application.handlers.pins import pin
from application.ports import Outcome, StreamCheck, StreamWrite
from domain.guardrails.events import GateReport
from domain.guardrails.gates import combined
from domain.model_instance import decider as instances
from domain.model_instance.specification import Config
from domain.point_in_time import PitModelFromFuture, decision_time
from domain.run import decider
from domain.run.commands import BackfillInstance, SubmitRun
from domain.run.errors import RunBackfillInvalid
from domain.run.folds import BACKFILL, FOLDS_MAX, Known, blocks, spans, trigger_of
from domain.run.pins import DateRange
from domain.shared.activity import StreamKey

_LOOK_BACK = timedelta(days=30)
"""No calendar is closed for so long."""


def backfill_instance(command: BackfillInstance, context: Context) -> Outcome:
    """With `refit` a training before each block (a policy submits the inference that follows it), else an
    inference for each span of dates that one version predicts. One gate judges all of them.
    """
    loaded = load_instance(context, command.instance)
    specification = instances.open_for_change(loaded.state, command.instance)
    config = specification.config
    if command.first > command.last:
        raise RunBackfillInvalid(f"{command.first} is after {command.last}", field="from")
    wanted = (
        _predictions(command, loaded.state, config, context)
        if command.refit is None
        else _trainings(command, command.refit, config, context)
    )
    checks: dict[StreamKey, StreamCheck] = {}
    writes: list[StreamWrite] = []
    reports: list[GateReport] = []
    for one in wanted:
        run, relied = pin(one, loaded.state, context)
        checks |= {still.stream: still for still in relied}
        stream = decider.stream(run.run_id)
        fresh = context.load(stream, decider.INITIAL, decider.evolve)
        writes.append(write(stream, fresh, decider.submit(fresh.state, run)))
        report = submission_gate(context, run, specification.space)
        reports += () if report is None else (report,)
    owner, relied_on = instances.stream(command.instance), list(checks.values())
    together = combined(f"model_instance:{command.instance}", reports)
    judged = let_pass(context, command, together, owner, loaded, relied_on)
    return context.append(*writes, write(owner, loaded, judged), checks=relied_on)


def _trainings(
    command: BackfillInstance, every: str, config: Config, context: Context
) -> Sequence[SubmitRun]:
    """L5: each has seen everything up to the last close before its block, and nothing of the block."""
    if command.model_version is not None or command.as_of is not None:
        raise RunBackfillInvalid("a backfill that refits makes its own versions and moments", field="refit")
    sessions = [day for day, _ in _closes(config, command.first, command.last, context)]
    return [
        SubmitRun(
            instance=command.instance,
            kind="training",
            as_of=_before(block.first, config, context),
            refit=True,
            trigger=trigger_of(block),
        )
        for block in blocks(command.first, command.last, every, sessions or None)
    ]


def _before(day: date, config: Config, context: Context) -> datetime:
    """The last close before a day; without a calendar the day's beginning, UTC."""
    closes = _closes(config, day - _LOOK_BACK, day - timedelta(days=1), context)
    return closes[-1][1] if closes else datetime.combine(day, time(0), UTC)


def _predictions(
    command: BackfillInstance, state: instances.State, config: Config, context: Context
) -> Sequence[SubmitRun]:
    found = _spans(command, state, config, context)
    missing = next((block for block, number in found if number is None), None)
    if missing is not None:
        raise PitModelFromFuture(
            f"no version of {command.instance} was trained by {missing.first}; train one as of an earlier "
            "moment, or backfill with a refit"
        )
    if len(found) > FOLDS_MAX:
        raise RunBackfillInvalid(f"{len(found)} versions take part; at most {FOLDS_MAX}", field="to")
    as_of = command.as_of or context.services.clock.now()
    inference = SubmitRun(instance=command.instance, kind="inference", as_of=as_of, trigger=BACKFILL)
    return [
        msgspec.structs.replace(inference, first=block.first, last=block.last, model_version=number)
        for block, number in found
    ]


def _spans(
    command: BackfillInstance, state: instances.State, config: Config, context: Context
) -> Sequence[tuple[DateRange, int | None]]:
    if command.model_version is not None:
        return [(DateRange(first=command.first, last=command.last), command.model_version)]
    closes = _closes(config, command.first, command.last, context)
    days = [day for day, _ in closes] or _days(command.first, command.last)
    ends = dict(closes)
    moments = [
        decision_time(
            day, close=ends.get(day), at=config.decision_time, as_of=datetime.combine(day, time(0), UTC)
        )
        for day in days
    ]
    found = spans(list(zip(days, moments, strict=True)), _usable(command.instance, state, context))
    return _to_the_ends(found, command.first, command.last)


def _to_the_ends(
    found: Sequence[tuple[DateRange, int | None]], first: date, last: date
) -> Sequence[tuple[DateRange, int | None]]:
    """The range as it was asked for: it may begin and end between sessions."""
    ends = [block.first - timedelta(days=1) for block, _ in found[1:]]
    starts = [first, *(block.first for block, _ in found[1:])]
    return [
        (DateRange(first=start, last=end), number)
        for start, end, (_, number) in zip(starts, [*ends, last], found, strict=True)
    ]


def _usable(name: str, state: instances.State, context: Context) -> list[Known]:
    """Versions in staging, production or archived whose artifact is still there."""
    known: list[Known] = []
    for number in range(1, state.last_number + 1):
        version = load_version(context, name, number).state
        registered = version.registered
        if registered is not None and version.stage != "none" and not version.purged:
            known.append(Known(number, registered.trained_as_of))
    return known


def _closes(config: Config, first: date, last: date, context: Context) -> Sequence[tuple[date, datetime]]:
    if config.calendar is None or first > last:
        return ()
    return context.services.sessions.closes(config.calendar, first, last)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
