"""What is known of bound datasets before a run: declarations, and facts of the versions' events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import msgspec

from application.context import Context, check
from application.errors import CalendarRangeExceeded
from application.handlers.facts import load_dataset
from application.ports import StreamCheck
from domain.dataset import decider as datasets
from domain.guardrails.history import DeclaredInput
from domain.guardrails.stated import StatedInput
from domain.model_instance import decider as instances
from domain.model_instance.specification import Specification
from domain.run.events import RunSubmitted

_Bound = tuple[str, str, int | None]
"""Role, dataset, and its version; None: the newest."""


@dataclass(frozen=True, slots=True)
class _Use:
    """When inputs are used, and on which calendar their sessions are counted."""

    calendar: str | None
    """Of datasets that declare none."""
    moment: datetime | None
    """None: not said yet."""
    on_sessions: bool


def of_instance(
    context: Context, specification: Specification, *, on_sessions: bool
) -> tuple[dict[str, StatedInput], Sequence[StreamCheck]]:
    """By role: what inference will read, and what only training reads; with the streams that say so.
    `on_sessions`: something asks for sessions, so that a calendar is worth its loading.
    """
    training = instances.roles(specification.training_datasets)
    roles = {**training, **instances.roles(specification.inference_datasets)}
    bound = [(role, one.dataset, one.version) for role, one in roles.items()]
    names = sorted({dataset for _, dataset, _ in bound})
    checks = [check(datasets.stream(name), load_dataset(context, name)) for name in names]
    return _stated(context, bound, _Use(specification.config.calendar, None, on_sessions)), checks


def of_run(
    context: Context, run: RunSubmitted, moment: datetime, *, on_sessions: bool
) -> dict[str, StatedInput]:
    """By role: the pinned inputs at the moment of their last use."""
    bound = ((one.role, one.dataset, one.version) for one in run.inputs if one.use == "input")
    return _stated(context, bound, _Use(run.config.calendar, moment, on_sessions))


def declared(context: Context, bound: Iterable[tuple[str, str]]) -> Sequence[DeclaredInput]:
    """What the dataset of each (role, dataset) declares of its history; that never changes."""
    found: list[DeclaredInput] = []
    for role, dataset in dict.fromkeys(bound):
        declaration = datasets.existing(load_dataset(context, dataset).state, dataset).declaration
        one = DeclaredInput(
            role=role,
            dataset=dataset,
            restated=declaration.restated or "restated" in declaration.tags,
            survivorship=declaration.survivorship or "survivorship" in declaration.tags,
        )
        found.append(one)
    return found


def _stated(context: Context, bound: Iterable[_Bound], use: _Use) -> dict[str, StatedInput]:
    return {role: _input(context, dataset, number, use) for role, dataset, number in bound}


def _input(context: Context, dataset: str, number: int | None, use: _Use) -> StatedInput:
    state = load_dataset(context, dataset).state
    declaration = datasets.existing(state, dataset).declaration
    declared = StatedInput(
        columns={one.name: one.type for one in declaration.columns},
        forward_looking=declaration.forward_looking,
        early_days=declaration.early_days,
    )
    facts = state.newest_facts() if number is None else state.versions[number - 1].facts
    if facts is None or facts.coverage.first_date is None or facts.coverage.last_date is None:
        return declared
    first, newest = map(date.fromisoformat, (facts.coverage.first_date, facts.coverage.last_date))
    calendar = (declaration.calendar or use.calendar) if use.on_sessions else None
    moment = use.moment
    closed = _closed(context, calendar, first, newest, moment)
    return msgspec.structs.replace(
        declared,
        newest=newest,
        entities=facts.coverage.entities,
        keys=facts.coverage.keys,
        sessions=None if closed is None else len(closed),
        age=None if closed is None or moment is None else sum(day > newest for day in closed),
        is_all_known=moment is None or facts.knowledge_last <= moment,
    )


def _closed(
    context: Context, calendar: str | None, first: date, newest: date, moment: datetime | None
) -> Sequence[date] | None:
    """Sessions from the first date on that closed by the moment of use; without one, up to the newest."""
    if calendar is None:
        return None
    last = newest if moment is None else moment.astimezone(UTC).date()
    try:
        sessions = context.services.sessions.closes(calendar, first, last) if last >= first else ()
    except CalendarRangeExceeded:  # it does not reach as far as the data: nothing is said of their sessions
        return None
    return [day for day, close in sessions if moment is None or close <= moment]
