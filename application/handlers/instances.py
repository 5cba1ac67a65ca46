"""Use cases of instances."""

from collections.abc import Sequence

import msgspec

from application.context import Context, write
from application.handlers.facts import (
    check_against_definition,
    load_dataset,
    load_definition,
    load_instance,
    load_version,
    usable_definition,
)
from application.handlers.gates import instance_gate, let_pass, version_gate
from application.handlers.schedules import check_schedules
from application.ports import Loaded, Outcome, StreamCheck, StreamWrite
from domain.dataset import decider as datasets
from domain.dataset.declaration import Column, Declaration
from domain.dataset.errors import DatasetDeclarationInvalid
from domain.guardrails.events import GuardrailEvaluated
from domain.ml_module_def.decider import DefinitionVersion
from domain.model_instance import decider
from domain.model_instance.commands import ArchiveInstance, CreateInstance, SkipSlot, UpdateInstance
from domain.model_instance.events import SlotSkipped
from domain.model_instance.specification import Specification
from domain.model_version import decider as versions
from domain.run import decider as runs

RUN_COLUMNS = (Column(name="trained_as_of", type="timestamp"), Column(name="model_version", type="int64"))
"""Every prediction row says which model made it and what that model had seen."""


def create_instance(command: CreateInstance, context: Context) -> Outcome:
    """Create an instance and its predictions dataset in one append."""
    specification = command.specification(context.principal)
    known, unchanged = usable_definition(context, specification.definition, specification.space)
    check_against_definition(context, specification, known)
    output = command.output_dataset or f"{command.name}-predictions"
    followed = check_schedules(context, command.name, output, specification)
    loaded = load_instance(context, command.name)
    events = decider.create(loaded.state, command.name, specification, output)
    dataset = load_dataset(context, output)
    declared = datasets.create(
        dataset.state, output, "prediction", _declaration(known, specification), command.name
    )
    report, stated = instance_gate(context, "instance_create", command.name, specification)
    stream, checks = decider.stream(command.name), [unchanged, *followed, *stated]
    judged = let_pass(context, command, report, stream, loaded, checks)
    return context.append(
        write(stream, loaded, (*events, *judged)),
        write(datasets.stream(output), dataset, declared),
        checks=checks,
    )


def _declaration(known: DefinitionVersion, specification: Specification) -> Declaration:
    try:
        columns = msgspec.convert(
            [{"name": name, "type": kind} for name, kind in known.output_columns.items()], list[Column]
        )
    except msgspec.ValidationError as error:
        raise DatasetDeclarationInvalid(f"output columns of {specification.definition}: {error}") from None
    return Declaration(
        columns=(*columns, *RUN_COLUMNS),
        calendar=specification.config.calendar,
        knowledge_rule="the decision time of each row",
    )


def update_instance(command: UpdateInstance, context: Context) -> Outcome:
    """Change the configuration of later runs."""
    loaded = load_instance(context, command.name)
    present = decider.open_for_change(loaded.state, command.name)
    specification = decider.updated_specification(loaded.state, command)
    unchanged = _check_update(context, present, specification)
    followed = check_schedules(context, command.name, loaded.state.output_dataset, specification)
    events = decider.update(loaded.state, command.name, specification)
    stream, checks = decider.stream(command.name), [unchanged, *followed]
    if not events:
        return context.append(write(stream, loaded, ()), checks=checks)
    report, stated = instance_gate(context, "instance_update", command.name, specification)
    checks += stated
    judged = let_pass(context, command, report, stream, loaded, checks)
    moves = specification.space == "official" != present.space
    versioned = _official_version(context, command, loaded, judged, checks) if moves else ()
    return context.append(*versioned, write(stream, loaded, (*judged, *events)), checks=checks)


def _check_update(context: Context, present: Specification, wanted: Specification) -> StreamCheck:
    becomes_official = wanted.space == "official" != present.space
    if becomes_official or wanted.definition != present.definition:
        known, unchanged = usable_definition(context, wanted.definition, wanted.space)
    else:
        loaded, unchanged = load_definition(context, wanted.definition.name)
        known = loaded.state.version(wanted.definition.name, wanted.definition.version)
    check_against_definition(context, wanted, known)
    return unchanged


def _official_version(
    context: Context,
    command: UpdateInstance,
    loaded: Loaded[decider.State],
    before: tuple[GuardrailEvaluated, ...],
    checks: Sequence[StreamCheck],
) -> Sequence[StreamWrite]:
    """The active version passes its gate as `official`, or the instance stays; every report is kept."""
    active = loaded.state.active
    if active is None:
        return ()
    version = load_version(context, command.name, active)
    report = version_gate(context, "instance_update", version.state, command.name, active, "official")
    stream, kept = versions.stream(command.name, active), write(decider.stream(command.name), loaded, before)
    judged = let_pass(context, command, report, stream, version, checks, [kept])
    return [write(stream, version, judged)]


def archive_instance(command: ArchiveInstance, context: Context) -> Outcome:
    """Close an instance: pending runs are cancelled and the active version archived in the same append."""
    loaded = load_instance(context, command.name)
    events = decider.archive(loaded.state, command.name)
    if not events:
        return context.append()
    writes = [write(decider.stream(command.name), loaded, events)]
    if loaded.state.active is not None:
        version = load_version(context, command.name, loaded.state.active)
        gone = versions.archive(version.state, command.name, loaded.state.active, None)
        writes.append(write(versions.stream(command.name, loaded.state.active), version, gone))
    return context.append(*writes, *_cancellations(context, command.name))


CANCELLED_AT_ONCE_MAX = 200
"""One append takes 256 events; pending runs beyond these are cancelled by the policy that follows."""


def _cancellations(context: Context, instance: str) -> list[StreamWrite]:
    position = context.services.log.head()
    writes: list[StreamWrite] = []
    pending = context.services.lookups.pending_runs(context.tenant, instance, position)
    for run_id in pending[:CANCELLED_AT_ONCE_MAX]:
        run = context.load(runs.stream(run_id), runs.INITIAL, runs.evolve)
        if run.state.status == "pending":
            writes.append(write(runs.stream(run_id), run, runs.cancel(run.state, run_id)))
    return writes


def skip_slot(command: SkipSlot, context: Context) -> Outcome:
    """Record that a scheduled slot was passed over."""
    loaded = load_instance(context, command.name)
    event = SlotSkipped(name=command.name, kind=command.kind, slot=command.slot, cause=command.cause)
    return context.append(write(decider.stream(command.name), loaded, decider.skip_slot(loaded.state, event)))
