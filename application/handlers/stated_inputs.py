"""What is known of bound datasets before a run: declarations, and facts of the versions' events."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

import msgspec

from application.context import Context, check
from application.handlers.facts import load_dataset
from application.ports import StreamCheck
from domain.dataset import decider as datasets
from domain.guardrails.stated import StatedInput
from domain.model_instance import decider as instances
from domain.model_instance.specification import Specification
from domain.run.events import RunSubmitted

_Bound = tuple[str, str, int | None]
"""Role, dataset, and its version; None: the newest."""


def of_instance(
    context: Context, specification: Specification
) -> tuple[dict[str, StatedInput], Sequence[StreamCheck]]:
    """By role: what inference will read, and what only training reads; with the streams that say so."""
    training = instances.roles(specification.training_datasets)
    roles = {**training, **instances.roles(specification.inference_datasets)}
    bound = [(role, one.dataset, one.version) for role, one in roles.items()]
    names = sorted({dataset for _, dataset, _ in bound})
    checks = [check(datasets.stream(name), load_dataset(context, name)) for name in names]
    return _stated(context, bound, specification.config.calendar, None), checks


def of_run(context: Context, run: RunSubmitted, moment: datetime) -> dict[str, StatedInput]:
    """By role: the pinned inputs at the moment of their last use."""
    bound = ((one.role, one.dataset, one.version) for one in run.inputs if one.use == "input")
    return _stated(context, bound, run.config.calendar, moment)


def _stated(
    context: Context, bound: Iterable[_Bound], calendar: str | None, moment: datetime | None
) -> dict[str, StatedInput]:
    return {role: _input(context, dataset, number, calendar, moment) for role, dataset, number in bound}


def _input(
    context: Context, dataset: str, number: int | None, calendar: str | None, moment: datetime | None
) -> StatedInput:
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
    closed = _closed(context, declaration.calendar or calendar, first, newest, moment)
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
    sessions = context.services.sessions.closes(calendar, first, last) if last >= first else ()
    return [day for day, close in sessions if moment is None or close <= moment]
