"""Decisions about a dataset and its versions 1, 2, 3, …

Each version:  written ─────────────────────────┬──compact*──> the same rows in other files
               registered ──verify──> verified ─┴──purge──> purged (hash and history stay)
                         └──reject──> rejected
"""

from typing import Any, Literal, assert_never

import msgspec

from domain.dataset.commands import RegisterDatasetVersion
from domain.dataset.declaration import RESERVED_COLUMNS, DataFile, Declaration
from domain.dataset.errors import (
    DatasetDeclarationInvalid,
    DatasetEmpty,
    DatasetExists,
    DatasetNeededByProduction,
    DatasetNotOfInstance,
    DatasetParentStale,
    DatasetRowsChanged,
    DatasetUnknown,
    DatasetVersionNotReadable,
    DatasetVersionPending,
    DatasetVersionPurgedAlready,
    DatasetWrittenByRunsOnly,
)
from domain.dataset.events import (
    ContentFacts,
    DatasetCreated,
    DatasetVersionCompacted,
    DatasetVersionPurged,
    DatasetVersionRegistered,
    DatasetVersionRejected,
    DatasetVersionVerified,
    DatasetVersionWritten,
)
from domain.shared.activity import Event, StreamKey

DatasetEvent = (
    DatasetCreated
    | DatasetVersionWritten
    | DatasetVersionRegistered
    | DatasetVersionVerified
    | DatasetVersionRejected
    | DatasetVersionCompacted
    | DatasetVersionPurged
)
Status = Literal["written", "registered", "verified", "rejected", "purged"]


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version as decisions need it. `facts` is None until its bytes were checked."""

    status: Status
    files: tuple[DataFile, ...] = ()
    """The files that this version added."""
    compacted: tuple[DataFile, ...] = ()
    """Files of its compactions: they hold the rows of all versions up to this one."""
    facts: ContentFacts | None = None
    parent: int | None = None
    registered: DatasetVersionRegistered | None = None


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset as decisions need it; version n is `versions[n - 1]`."""

    created: DatasetCreated | None = None
    versions: tuple[Version, ...] = ()

    def newest_readable(self) -> int | None:
        """The number of the newest version that was written or verified, purged ones included; None: none
        yet.
        """
        readable = (n for n, one in enumerate(self.versions, start=1) if one.facts is not None)
        return max(readable, default=None)

    def newest_facts(self) -> ContentFacts | None:
        """What the store knows of the newest version."""
        number = self.newest_readable()
        return None if number is None else self.versions[number - 1].facts


INITIAL = State()


def stream(name: str) -> StreamKey:
    """The stream of a dataset and its versions."""
    return StreamKey("dataset", name)


def existing(state: State, name: str) -> DatasetCreated:
    """What was created; raises DatasetUnknown."""
    if state.created is None:
        raise DatasetUnknown(f"there is no dataset {name}")
    return state.created


def create(
    state: State,
    name: str,
    kind: Literal["source", "prediction"],
    declaration: Declaration,
    instance: str | None,
) -> tuple[Event, ...]:
    """A new dataset; its name must be free."""
    if state.created is not None:
        raise DatasetExists(f"there is a dataset {name} already")
    names = [column.name for column in declaration.columns]
    reserved = sorted(set(names) & set(RESERVED_COLUMNS))
    if reserved or len(set(names)) < len(names):
        raise DatasetDeclarationInvalid(
            f"reserved column names: {', '.join(reserved)}" if reserved else "a column is named twice"
        )
    return (DatasetCreated(name=name, kind=kind, declaration=declaration, instance=instance),)


def writable(state: State, name: str, *, instance: str | None) -> DatasetCreated:
    """The dataset, if an upload (`instance` None) or a run of `instance` may add a version now."""
    created = existing(state, name)
    if created.kind == "prediction" and instance is None:
        raise DatasetWrittenByRunsOnly(
            f"{name} holds the predictions of {created.instance}",
            instance=created.instance,
        )
    if instance is not None and created.instance != instance:
        raise DatasetNotOfInstance(f"{name} is not the output dataset of {instance}")
    if any(one.status == "registered" for one in state.versions):
        raise DatasetVersionPending(f"the newest version of {name} is not verified yet")
    return created


def write(
    state: State,
    name: str,
    *,
    files: tuple[DataFile, ...],
    facts: ContentFacts,
    backfill: bool,
    run_id: str | None,
    simulated: bool,
) -> tuple[int, tuple[Event, ...]]:
    """Add the next version; returns its number too."""
    number = len(state.versions) + 1
    return number, (
        DatasetVersionWritten(
            dataset=name,
            number=number,
            parent=state.newest_readable(),
            files=files,
            facts=facts,
            backfill=backfill,
            run_id=run_id,
            simulated=simulated,
        ),
    )


def register(state: State, command: RegisterDatasetVersion) -> tuple[Event, ...]:
    """Take note of a version that another service wrote."""
    writable(state, command.dataset, instance=None)
    newest = state.newest_readable()
    if command.parent != newest:
        raise DatasetParentStale(
            f"the newest version of {command.dataset} is {newest}, not {command.parent}",
            newest=newest,
        )
    return (
        DatasetVersionRegistered(
            dataset=command.dataset,
            number=len(state.versions) + 1,
            parent=command.parent,
            files=command.files,
            knowledge_first=command.knowledge_first,
            knowledge_last=command.knowledge_last,
            backfill=command.backfill,
            producer=command.producer,
        ),
    )


def verify(
    state: State,
    name: str,
    number: int,
    files: tuple[DataFile, ...],
    facts: ContentFacts,
) -> tuple[Event, ...]:
    """The announced bytes hold; decided already: nothing."""
    if version(state, name, number).status != "registered":
        return ()
    return (DatasetVersionVerified(dataset=name, number=number, files=files, facts=facts),)


def reject(state: State, name: str, number: int, code: str, detail: str) -> tuple[Event, ...]:
    """The announced bytes do not hold; decided already: nothing."""
    if version(state, name, number).status != "registered":
        return ()
    return (DatasetVersionRejected(dataset=name, number=number, code=code, detail=detail),)


def compact(
    state: State,
    name: str,
    number: int,
    files: tuple[DataFile, ...],
    row_hash: str,
    manifest_sha256: str,
) -> tuple[Event, ...]:
    """The same rows in other files."""
    facts = readable(state, name, number)
    if row_hash != facts.row_hash:
        raise DatasetRowsChanged(f"the rows of {name}@{number} hash to {row_hash}, not {facts.row_hash}")
    if manifest_sha256 == facts.manifest_sha256:
        return ()
    return (
        DatasetVersionCompacted(
            dataset=name,
            number=number,
            files=files,
            row_hash=row_hash,
            manifest_sha256=manifest_sha256,
        ),
    )


def purge(
    state: State, name: str, number: int, *, force: bool, needed_by: tuple[str, ...]
) -> tuple[Event, ...]:
    """Delete the bytes that a version added, in every file that holds them; purged already: nothing."""
    one = version(state, name, number)
    if one.status == "purged":
        return ()
    if needed_by and not force:
        raise DatasetNeededByProduction(
            f"{name}@{number} is needed by {', '.join(needed_by)}",
            versions=list(needed_by),
        )
    copies = (file for later in state.versions[number - 1 :] for file in later.compacted)
    files = tuple(dict.fromkeys((*one.files, *copies)))
    return (DatasetVersionPurged(dataset=name, number=number, files=files, forced=force),)


def version(state: State, name: str, number: int) -> Version:
    """One version; raises DatasetUnknown."""
    existing(state, name)
    if not 1 <= number <= len(state.versions):
        raise DatasetUnknown(f"there is no dataset version {name}@{number}")
    return state.versions[number - 1]


def readable(state: State, name: str, number: int) -> ContentFacts:
    """What the store knows of a version that can be read; raises the reason why it cannot."""
    one = version(state, name, number)
    if one.status == "purged":
        raise DatasetVersionPurgedAlready(f"the bytes of {name}@{number} were purged")
    if one.facts is None:
        raise DatasetVersionNotReadable(f"{name}@{number} is {one.status}", status=one.status)
    _check_parents(state, name, number)
    return one.facts


def _check_parents(state: State, name: str, number: int) -> None:
    """The rows of a version are its parents' and its own: none of their bytes may be purged."""
    parent = state.versions[number - 1].parent
    while parent is not None:
        if state.versions[parent - 1].status == "purged":
            raise DatasetVersionPurgedAlready(f"{name}@{number} needs the bytes of {name}@{parent}: purged")
        parent = state.versions[parent - 1].parent


def newest(state: State, name: str) -> int:
    """The number of the newest readable version; raises DatasetUnknown, DatasetEmpty."""
    existing(state, name)
    number = state.newest_readable()
    if number is None:
        raise DatasetEmpty(f"{name} has no version yet")
    return number


def evolve(state: State, event: Event) -> State:
    """Fold one event; total and never raising. Events of other rules (gate reports) change nothing."""
    if not isinstance(event, DatasetEvent):
        return state
    match event:
        case DatasetCreated():
            return State(created=event)
        case DatasetVersionWritten():
            return _add(
                state,
                Version(
                    status="written",
                    files=event.files,
                    facts=event.facts,
                    parent=event.parent,
                ),
            )
        case DatasetVersionRegistered():
            return _add(state, Version(status="registered", parent=event.parent, registered=event))
        case DatasetVersionVerified():
            return _change(state, event.number, status="verified", files=event.files, facts=event.facts)
        case DatasetVersionRejected():
            return _change(state, event.number, status="rejected")
        case DatasetVersionCompacted():
            return _compacted(state, event)
        case DatasetVersionPurged():
            return _change(state, event.number, status="purged")
        case _:
            assert_never(event)


def _add(state: State, new: Version) -> State:
    return msgspec.structs.replace(state, versions=(*state.versions, new))


def _change(state: State, number: int, **changes: Any) -> State:
    if not 1 <= number <= len(state.versions):
        return state
    changed = msgspec.structs.replace(state.versions[number - 1], **changes)
    return msgspec.structs.replace(
        state,
        versions=(*state.versions[: number - 1], changed, *state.versions[number:]),
    )


def _compacted(state: State, event: DatasetVersionCompacted) -> State:
    if not 1 <= event.number <= len(state.versions):
        return state
    one = state.versions[event.number - 1]
    renewed = one.facts and msgspec.structs.replace(one.facts, manifest_sha256=event.manifest_sha256)
    compacted = (*one.compacted, *event.files)
    return _change(state, event.number, compacted=compacted, facts=renewed)
