"""Decisions about an instance.

created ──updated*──> … ──archived (final)        Version numbers 1, 2, 3, … and at most one active version
"""

from collections.abc import Sequence
from typing import assert_never, cast

import msgspec
from msgspec import UNSET

from domain.alert_rules import check_rules
from domain.model_instance.commands import UpdateInstance
from domain.model_instance.errors import (
    InstanceClosed,
    InstanceConfigInvalid,
    InstanceDatasetsMissing,
    InstanceExists,
    InstanceNoActiveVersion,
    InstanceNoFormerVersion,
    InstanceScheduleInvalid,
    InstanceUnknown,
)
from domain.model_instance.events import (
    InstanceActiveVersionChanged,
    InstanceArchived,
    InstanceCreated,
    InstanceUpdated,
    InstanceVersionNumbered,
    SlotSkipped,
)
from domain.model_instance.specification import DatasetBinding, Schedule, Specification
from domain.point_in_time import wall_clock
from domain.shared.activity import Event, StreamKey
from domain.shared.references import DefinitionRef

InstanceEvent = (
    InstanceCreated
    | InstanceUpdated
    | InstanceVersionNumbered
    | InstanceActiveVersionChanged
    | InstanceArchived
    | SlotSkipped
)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """An instance as decisions need it."""

    specification: Specification | None = None
    output_dataset: str = ""
    last_number: int = 0
    active: int | None = None
    former: int | None = None
    """The version that was in production before the active one, or before there was none."""
    archived: bool = False


INITIAL = State()


def stream(name: str) -> StreamKey:
    """The stream of an instance."""
    return StreamKey("model_instance", name)


def existing(state: State, name: str) -> Specification:
    """The present specification; raises InstanceUnknown."""
    if state.specification is None:
        raise InstanceUnknown(f"there is no instance {name}")
    return state.specification


def open_for_change(state: State, name: str) -> Specification:
    """The specification of an instance that is not archived; raises InstanceUnknown, InstanceClosed."""
    specification = existing(state, name)
    if state.archived:
        raise InstanceClosed(f"the instance {name} is archived")
    return specification


def create(state: State, name: str, specification: Specification, output_dataset: str) -> tuple[Event, ...]:
    """A new instance; its name must be free."""
    if state.specification is not None:
        raise InstanceExists(f"there is an instance {name} already")
    check_specification(specification)
    return (InstanceCreated(name=name, specification=specification, output_dataset=output_dataset),)


def updated_specification(state: State, command: UpdateInstance) -> Specification:
    """The specification after an update; raises InstanceUnknown, InstanceClosed."""
    present = open_for_change(state, command.name)
    fields = (
        "description",
        "training_datasets",
        "inference_datasets",
        "outcome_dataset",
        "config",
        "schedules",
    )
    changes = {
        field: value
        for field in (*fields, "limits", "owner", "space", "tags", "promotion_policy")
        if (value := getattr(command, field)) is not UNSET
    }
    if command.definition is not UNSET:
        changes["definition"] = DefinitionRef.parse(command.definition)
    if command.alert_rules is not UNSET:
        changes["alert_rules"] = UNSET if command.alert_rules is None else command.alert_rules
    if "tags" in changes:
        changes["tags"] = tuple(sorted(set(cast("tuple[str, ...]", changes["tags"]))))
    return msgspec.structs.replace(present, **changes)


def update(state: State, name: str, specification: Specification) -> tuple[Event, ...]:
    """Change the configuration of later runs; no difference, no event."""
    present = open_for_change(state, name)
    check_specification(specification)
    changed = tuple(
        sorted(
            field
            for field in Specification.__struct_fields__
            if getattr(present, field) != getattr(specification, field)
        )
    )
    return (InstanceUpdated(name=name, specification=specification, changed=changed),) if changed else ()


def archive(state: State, name: str) -> tuple[Event, ...]:
    """Close the instance; the active version goes with it. Archived already: nothing."""
    existing(state, name)
    if state.archived:
        return ()
    retired = () if state.active is None else change_active(state, name, None)
    return (*retired, InstanceArchived(name=name))


def number_version(state: State, name: str, run_id: str) -> tuple[int, tuple[Event, ...]]:
    """Give the next version number to a training run's result (an archived instance still numbers what runs
    end).
    """
    existing(state, name)
    number = state.last_number + 1
    return number, (InstanceVersionNumbered(name=name, number=number, run_id=run_id),)


def change_active(state: State, name: str, number: int | None) -> tuple[Event, ...]:
    """Another version, or none, goes into production."""
    return (InstanceActiveVersionChanged(name=name, active=number, former=state.active),)


def active_version(state: State, name: str) -> int:
    """The version in production; raises InstanceNoActiveVersion."""
    if state.active is None:
        raise InstanceNoActiveVersion(f"{name} has no version in production")
    return state.active


def rollback_target(state: State, name: str) -> int:
    """The former production version; raises InstanceNoFormerVersion."""
    if state.former is None:
        raise InstanceNoFormerVersion(f"{name} has no former production version")
    return state.former


def skip_slot(state: State, event: SlotSkipped) -> tuple[Event, ...]:
    """Record a skipped slot."""
    open_for_change(state, event.name)
    return (event,)


def roles(bindings: Sequence[DatasetBinding]) -> dict[str, DatasetBinding]:
    """Role → binding; raises InstanceDatasetsMissing if two bindings have one role."""
    found: dict[str, DatasetBinding] = {}
    for binding in bindings:
        role = binding.role or binding.dataset
        if role in found:
            raise InstanceDatasetsMissing(f"two datasets have the role {role!r}", role=role)
        found[role] = binding
    return found


def check_specification(specification: Specification) -> None:
    """What a specification must hold by itself."""
    roles(specification.training_datasets)
    roles(specification.inference_datasets)
    policy = specification.promotion_policy
    if policy.mode == "automatic" and (policy.metric is None or policy.at_least is None):
        raise InstanceConfigInvalid("an automatic promotion policy needs `metric` and `at_least`")
    if specification.config.decision_time is not None:
        wall_clock(specification.config.decision_time)
    _check_schedules(specification.schedules)
    if specification.alert_rules is not UNSET:
        check_rules(specification.alert_rules)


def _check_schedules(schedules: Sequence[Schedule]) -> None:
    """Cron lines and zones are read by the use case (`application.handlers.schedules`)."""
    seen: set[tuple[str | None, ...]] = set()
    for one in schedules:
        if (one.cron is None) == (one.after_dataset is None):
            raise InstanceScheduleInvalid(f"the {one.kind} schedule needs either `cron` or `after_dataset`")
        identity = (one.kind, one.cron, one.timezone, one.after_dataset)
        if identity in seen:
            raise InstanceScheduleInvalid(
                f"the {one.kind} schedule {one.cron or one.after_dataset} is there twice"
            )
        seen.add(identity)


def evolve(state: State, event: Event) -> State:
    """Fold one event; total and never raising. Events of other rules (gate reports) change nothing."""
    if not isinstance(event, InstanceEvent):
        return state
    match event:
        case InstanceCreated(specification=specification):
            return State(specification=specification, output_dataset=event.output_dataset)
        case InstanceUpdated(specification=specification):
            return msgspec.structs.replace(state, specification=specification)
        case InstanceVersionNumbered(number=number):
            return msgspec.structs.replace(state, last_number=number)
        case InstanceActiveVersionChanged(active=active, former=former):
            return msgspec.structs.replace(
                state, active=active, former=state.former if former is None else former
            )
        case InstanceArchived():
            return msgspec.structs.replace(state, archived=True)
        case SlotSkipped():
            return state
        case _:
            assert_never(event)
