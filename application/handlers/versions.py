"""Use cases of model versions: every move between stages, its gate and its one append."""

from application.context import Context, check, write
from application.handlers.facts import load_instance, load_version, refuse_external
from application.handlers.gates import let_pass, version_gate
from application.ports import Loaded, Outcome, StreamWrite
from domain.model_instance import decider as instances
from domain.model_instance.specification import Specification
from domain.model_version import decider
from domain.model_version.commands import (
    AnnotateVersion,
    ArchiveVersion,
    PromoteVersion,
    PurgeVersionArtifact,
    RollbackVersion,
    StageVersion,
)
from domain.model_version.errors import VersionInProduction
from domain.shared.activity import Event


def stage_version(command: StageVersion, context: Context) -> Outcome:
    """none → staging, if the gate passes."""
    instance = load_instance(context, command.instance)
    specification = instances.open_for_change(instance.state, command.instance)
    loaded = load_version(context, command.instance, command.number)
    events = decider.stage(loaded.state, command.instance, command.number)
    unchanged = write(instances.stream(command.instance), instance, ())
    return _gated(context, specification, loaded, command, events, [unchanged])


def promote_version(command: PromoteVersion, context: Context) -> Outcome:
    """staging → production: instance, new and former version change in one append."""
    instance = load_instance(context, command.instance)
    specification = instances.open_for_change(instance.state, command.instance)
    loaded = load_version(context, command.instance, command.number)
    former = instance.state.active
    events = decider.promote(loaded.state, command.instance, command.number, former)
    others = _takeover(context, instance, command.instance, command.number)
    return _gated(context, specification, loaded, command, events, others)


def rollback_version(command: RollbackVersion, context: Context) -> Outcome:
    """archived → production; without a number, the former production version comes back."""
    instance = load_instance(context, command.instance)
    specification = instances.open_for_change(instance.state, command.instance)
    number = command.number or instances.rollback_target(instance.state, command.instance)
    loaded = load_version(context, command.instance, number)
    refuse_external(decider.existing(loaded.state, command.instance, number), specification.space)
    events = decider.rollback(loaded.state, command.instance, number, instance.state.active)
    others = _takeover(context, instance, command.instance, number)
    return context.append(write(decider.stream(command.instance, number), loaded, events), *others)


def archive_version(command: ArchiveVersion, context: Context) -> Outcome:
    """Any stage → archived; the production version retires and leaves none."""
    instance = load_instance(context, command.instance)
    instances.existing(instance.state, command.instance)
    loaded = load_version(context, command.instance, command.number)
    events = decider.archive(loaded.state, command.instance, command.number, None)
    retires = bool(events) and instance.state.active == command.number
    changed = instances.change_active(instance.state, command.instance, None) if retires else ()
    return context.append(
        write(decider.stream(command.instance, command.number), loaded, events),
        write(instances.stream(command.instance), instance, changed),
    )


def annotate_version(command: AnnotateVersion, context: Context) -> Outcome:
    """Change description or tags."""
    loaded = load_version(context, command.instance, command.number)
    stream = decider.stream(command.instance, command.number)
    return context.append(write(stream, loaded, decider.annotate(loaded.state, command)))


def purge_version_artifact(command: PurgeVersionArtifact, context: Context) -> Outcome:
    """Delete the artifact's bytes; a policy does it once the event is recorded."""
    loaded = load_version(context, command.instance, command.number)
    events = decider.purge(loaded.state, command.instance, command.number, force=command.force)
    instance = load_instance(context, command.instance)
    active = instance.state.active
    if events and active is not None and not command.force:
        _refuse_if_shared(loaded.state, load_version(context, command.instance, active).state)
    return context.append(
        write(decider.stream(command.instance, command.number), loaded, events),
        checks=[check(instances.stream(command.instance), instance)],
    )


def _refuse_if_shared(purged: decider.State, serving: decider.State) -> None:
    """Two trainings on the same data may give the same bytes: stored once, they serve both versions."""
    one, other = purged.registered, serving.registered
    if one and other and one.artifact_sha256 == other.artifact_sha256:
        raise VersionInProduction(
            f"{other.instance}@{other.number} is in production with the same artifact as {one.number}"
        )


def _takeover(
    context: Context, instance: Loaded[instances.State], name: str, number: int
) -> list[StreamWrite]:
    """The instance's active version changes and the former one is archived."""
    changed = instances.change_active(instance.state, name, number)
    writes = [write(instances.stream(name), instance, changed)]
    former = instance.state.active
    if former is not None:
        loaded = load_version(context, name, former)
        gone = decider.archive(loaded.state, name, former, number)
        writes.append(write(decider.stream(name, former), loaded, gone))
    return writes


def _gated(
    context: Context,
    specification: Specification,
    loaded: Loaded[decider.State],
    command: StageVersion | PromoteVersion,
    events: tuple[Event, ...],
    others: list[StreamWrite],
) -> Outcome:
    """Append the gate's report and, unless it blocks, the move with it."""
    name, number = command.instance, command.number
    report = version_gate(context, "version_promote", loaded.state, name, number, specification.space)
    stream = decider.stream(name, number)
    judged = let_pass(context, command, report, stream, loaded)
    return context.append(write(stream, loaded, (*judged, *events)), *others)
