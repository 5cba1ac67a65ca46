"""Decisions about one model version.

none ──stage──> staging ──promote──> production ──(replaced or retired)──> archived ──rollback──> production
  └───────────────┴──────────────────────────archive──────────────────────────────────> archived
"""

from typing import assert_never

import msgspec
from msgspec import UNSET

from domain.model_version.commands import AnnotateVersion
from domain.model_version.errors import (
    VersionAlreadyInProduction,
    VersionInProduction,
    VersionNeverStaged,
    VersionNotArchived,
    VersionNotNew,
    VersionNotStaged,
    VersionPurgedAlready,
    VersionUnknown,
)
from domain.model_version.events import (
    Stage,
    VersionAnnotated,
    VersionArchived,
    VersionPromoted,
    VersionPurged,
    VersionRegistered,
    VersionRolledBack,
    VersionStaged,
)
from domain.shared.activity import Event, StreamKey

VersionEvent = (
    VersionRegistered
    | VersionStaged
    | VersionPromoted
    | VersionRolledBack
    | VersionArchived
    | VersionAnnotated
    | VersionPurged
)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A model version as decisions need it."""

    registered: VersionRegistered | None = None
    stage: Stage = "none"
    was_staged: bool = False
    description: str = ""
    tags: tuple[str, ...] = ()
    purged: bool = False


INITIAL = State()


def stream(instance: str, number: int) -> StreamKey:
    """The stream of a model version."""
    return StreamKey("model_version", f"{instance}@{number}")


def existing(state: State, instance: str, number: int) -> VersionRegistered:
    """What was registered; raises VersionUnknown."""
    if state.registered is None:
        raise VersionUnknown(f"there is no model version {instance}@{number}")
    return state.registered


def loadable(state: State, instance: str, number: int) -> VersionRegistered:
    """What was registered, if its artifact is still there; raises VersionUnknown, VersionPurgedAlready."""
    registered = existing(state, instance, number)
    if state.purged:
        raise VersionPurgedAlready(f"the artifact of {instance}@{number} was purged")
    return registered


def stage(state: State, instance: str, number: int) -> tuple[Event, ...]:
    """none → staging."""
    loadable(state, instance, number)
    if state.stage != "none":
        raise VersionNotNew(f"{instance}@{number} is in {state.stage}", stage=state.stage)
    return (VersionStaged(instance=instance, number=number),)


def promote(state: State, instance: str, number: int, replaces: int | None) -> tuple[Event, ...]:
    """staging → production."""
    loadable(state, instance, number)
    _not_in_production(state, instance, number)
    if state.stage != "staging":
        raise VersionNotStaged(f"{instance}@{number} is in {state.stage}", stage=state.stage)
    return (VersionPromoted(instance=instance, number=number, replaces=replaces),)


def rollback(state: State, instance: str, number: int, replaces: int | None) -> tuple[Event, ...]:
    """archived → production."""
    loadable(state, instance, number)
    _not_in_production(state, instance, number)
    if state.stage != "archived":
        raise VersionNotArchived(f"{instance}@{number} is in {state.stage}", stage=state.stage)
    if not state.was_staged:
        raise VersionNeverStaged(f"{instance}@{number} never passed its gate")
    return (VersionRolledBack(instance=instance, number=number, replaces=replaces),)


def archive(state: State, instance: str, number: int, replaced_by: int | None) -> tuple[Event, ...]:
    """Any stage → archived; archived already: nothing."""
    existing(state, instance, number)
    if state.stage == "archived":
        return ()
    return (
        VersionArchived(
            instance=instance,
            number=number,
            former_stage=state.stage,
            replaced_by=replaced_by,
        ),
    )


def annotate(state: State, command: AnnotateVersion) -> tuple[Event, ...]:
    """Change description or tags; no difference, no event."""
    existing(state, command.instance, command.number)
    description = state.description if command.description is UNSET else command.description
    tags = state.tags if command.tags is UNSET else tuple(sorted(set(command.tags)))
    if (description, tags) == (state.description, state.tags):
        return ()
    return (
        VersionAnnotated(
            instance=command.instance,
            number=command.number,
            description=description,
            tags=tags,
        ),
    )


def purge(state: State, instance: str, number: int, *, force: bool) -> tuple[Event, ...]:
    """Delete the artifact's bytes; purged already: nothing."""
    registered = existing(state, instance, number)
    if state.purged:
        return ()
    if state.stage == "production" and not force:
        raise VersionInProduction(f"{instance}@{number} is in production")
    return (
        VersionPurged(
            instance=instance,
            number=number,
            artifact_sha256=registered.artifact_sha256,
            forced=force,
        ),
    )


def _not_in_production(state: State, instance: str, number: int) -> None:
    if state.stage == "production":
        raise VersionAlreadyInProduction(f"{instance}@{number} is in production already")


def evolve(state: State, event: Event) -> State:
    """Fold one event; total and never raising. Events of other rules (gate reports) change nothing."""
    if not isinstance(event, VersionEvent):
        return state
    match event:
        case VersionRegistered():
            return State(registered=event, stage=event.stage, was_staged=event.stage == "staging")
        case VersionStaged():
            return msgspec.structs.replace(state, stage="staging", was_staged=True)
        case VersionPromoted() | VersionRolledBack():
            return msgspec.structs.replace(state, stage="production")
        case VersionArchived():
            return msgspec.structs.replace(state, stage="archived")
        case VersionAnnotated():
            return msgspec.structs.replace(state, description=event.description, tags=event.tags)
        case VersionPurged():
            return msgspec.structs.replace(state, purged=True)
        case _:
            assert_never(event)
