"""The fold of the registry."""

import msgspec

from domain.guardrails.events import GuardrailEvaluated
from domain.ml_module_def import events as definition
from domain.model_instance import events as instance
from domain.model_version import events as version
from domain.run import events as run
from domain.shared.activity import Event, RecordedEvent
from projections.engine.facts import document, fact
from projections.engine.projection import Rows
from projections.registry.tables import (
    DEFINITIONS,
    FACTS,
    GATES,
    INSTANCES,
    PRODUCTION,
    VERSIONS,
    DefinitionRow,
    GateRow,
    InstanceRow,
    ProductionRow,
    VersionRow,
)


def fold(recorded: RecordedEvent, event: Event, rows: Rows) -> None:
    """One event's changes to definitions, instances and versions."""
    match event:
        case run.RunSubmitted():
            _run_submitted(recorded, event, rows)
        case run.RunCompleted() | run.RunFailed() | run.RunCancelled():
            _run_ended(recorded, event, rows)
        case GuardrailEvaluated():
            _gate(recorded, event, rows)
        case version.VersionRegistered():
            _version_registered(recorded, event, rows)
        case (
            version.VersionStaged()
            | version.VersionPromoted()
            | version.VersionRolledBack()
            | version.VersionArchived()
            | version.VersionAnnotated()
            | version.VersionPurged()
        ):
            _version_changed(recorded, event, rows)
        case instance.InstanceCreated():
            _instance_created(recorded, event, rows)
        case (
            instance.InstanceUpdated() | instance.InstanceActiveVersionChanged() | instance.InstanceArchived()
        ):
            _instance_changed(recorded, event, rows)
        case definition.DefinitionSubmitted():
            _definition_submitted(recorded, event, rows)
        case (
            definition.DefinitionEvaluated()
            | definition.DefinitionPublished()
            | definition.DefinitionDeprecated()
        ):
            _definition_changed(recorded, event, rows)
        case _:
            pass


# --- definitions ---


def _definition_submitted(recorded: RecordedEvent, event: definition.DefinitionSubmitted, rows: Rows) -> None:
    """A first submission, or other bytes after a failed evaluation: then everything begins anew."""
    manifest, position = event.manifest, recorded.position
    former = rows.find(DEFINITIONS, recorded.tenant, manifest.name, manifest.version)
    rows.add(FACTS, fact(recorded, document(recorded, event)))
    rows.replace(
        DEFINITIONS,
        DefinitionRow(
            tenant=recorded.tenant,
            name=manifest.name,
            version=manifest.version,
            state="submitted",
            category=manifest.category,
            first_submitted=former.first_submitted if former else position,
            submitted=position,
            evaluated=None,
            published=None,
            deprecated=None,
        ),
    )


def _definition_changed(
    recorded: RecordedEvent,
    event: definition.DefinitionEvaluated | definition.DefinitionPublished | definition.DefinitionDeprecated,
    rows: Rows,
) -> None:
    key, position = (recorded.tenant, event.name, event.version), recorded.position
    match event:
        case definition.DefinitionEvaluated():
            rows.add(FACTS, fact(recorded, document(recorded, event)))
            state = "passed" if event.verdict == "passed" else "failed"
            rows.change(DEFINITIONS, *key, state=state, evaluated=position)
        case definition.DefinitionPublished():
            rows.add(FACTS, fact(recorded))
            rows.change(DEFINITIONS, *key, state="published", published=position)
        case definition.DefinitionDeprecated():
            rows.add(FACTS, fact(recorded))
            rows.change(DEFINITIONS, *key, state="deprecated", deprecated=position)


# --- instances ---


def _instance_created(recorded: RecordedEvent, event: instance.InstanceCreated, rows: Rows) -> None:
    specification, position = event.specification, recorded.position
    rows.add(FACTS, fact(recorded, document(recorded, event)))
    rows.begin(
        INSTANCES,
        InstanceRow(
            tenant=recorded.tenant,
            name=event.name,
            state="pending",
            space=specification.space,
            definition=specification.definition.name,
            definition_version=specification.definition.version,
            owner=specification.owner,
            output_dataset=event.output_dataset,
            active_version=None,
            versions=0,
            runs=0,
            open_trainings=0,
            has_failed_training=0,
            last_run=None,
            created=position,
            specified=position,
            archived=None,
        ),
    )


def _instance_changed(
    recorded: RecordedEvent,
    event: instance.InstanceUpdated | instance.InstanceActiveVersionChanged | instance.InstanceArchived,
    rows: Rows,
) -> None:
    key, position = (recorded.tenant, event.name), recorded.position
    match event:
        case instance.InstanceUpdated():
            changed = event.specification
            rows.add(FACTS, fact(recorded, document(recorded, event)))
            rows.change(
                INSTANCES,
                *key,
                space=changed.space,
                definition=changed.definition.name,
                definition_version=changed.definition.version,
                owner=changed.owner,
                specified=position,
            )
        case instance.InstanceActiveVersionChanged():
            rows.change(INSTANCES, *key, active_version=event.active)
        case instance.InstanceArchived():
            rows.add(FACTS, fact(recorded))
            rows.change(INSTANCES, *key, state="archived", archived=position)


def _run_submitted(recorded: RecordedEvent, event: run.RunSubmitted, rows: Rows) -> None:
    row = _instance(rows, recorded.tenant, event.instance)
    opened = row.open_trainings + (event.kind == "training")
    changed = msgspec.structs.replace(row, runs=row.runs + 1, last_run=event.run_id, open_trainings=opened)
    rows.replace(INSTANCES, _derived(changed))


def _run_ended(
    recorded: RecordedEvent, event: run.RunCompleted | run.RunFailed | run.RunCancelled, rows: Rows
) -> None:
    """Only trainings change the state; whether the last one failed is told by the one that ended last."""
    if event.kind != "training":
        return
    row = _instance(rows, recorded.tenant, event.instance)
    has_failed = int(isinstance(event, run.RunFailed))
    changed = msgspec.structs.replace(
        row, open_trainings=row.open_trainings - 1, has_failed_training=has_failed
    )
    rows.replace(INSTANCES, _derived(changed))


def _instance(rows: Rows, tenant: str, name: str) -> InstanceRow:
    return rows.find(INSTANCES, tenant, name) or rows.change(INSTANCES, tenant, name)


def _derived(row: InstanceRow) -> InstanceRow:
    """Rule 5: archived; else training; else ready if it has a version; else error; else pending."""
    if row.archived is not None:
        state = "archived"
    elif row.open_trainings > 0:
        state = "training"
    elif row.versions > 0:
        state = "ready"
    else:
        state = "error" if row.has_failed_training else "pending"
    return row if row.state == state else msgspec.structs.replace(row, state=state)


# --- versions ---


def _version_registered(recorded: RecordedEvent, event: version.VersionRegistered, rows: Rows) -> None:
    position = recorded.position
    rows.add(FACTS, fact(recorded, document(recorded, event)))
    rows.begin(
        VERSIONS,
        VersionRow(
            tenant=recorded.tenant,
            instance=event.instance,
            number=event.number,
            stage=event.stage,
            registered=position,
            staged=position,
            promoted=None,
            annotated=None,
            purged=None,
        ),
    )
    row = _instance(rows, recorded.tenant, event.instance)
    rows.replace(INSTANCES, _derived(msgspec.structs.replace(row, versions=row.versions + 1)))


def _version_changed(
    recorded: RecordedEvent,
    event: version.VersionStaged
    | version.VersionPromoted
    | version.VersionRolledBack
    | version.VersionArchived
    | version.VersionAnnotated
    | version.VersionPurged,
    rows: Rows,
) -> None:
    key, position = (recorded.tenant, event.instance, event.number), recorded.position
    rows.add(FACTS, fact(recorded, document(recorded, event)))
    match event:
        case version.VersionStaged():
            rows.change(VERSIONS, *key, stage="staging", staged=position)
        case version.VersionPromoted() | version.VersionRolledBack():
            rows.change(VERSIONS, *key, stage="production", staged=position, promoted=position)
            how = "promoted" if isinstance(event, version.VersionPromoted) else "rolled_back"
            rows.replace(
                PRODUCTION, ProductionRow(recorded.tenant, event.instance, event.number, how, position)
            )
        case version.VersionArchived():
            rows.change(VERSIONS, *key, stage="archived", staged=position)
            _leave_production(recorded, event, rows)
        case version.VersionAnnotated():
            rows.change(VERSIONS, *key, annotated=position)
        case version.VersionPurged():
            rows.change(VERSIONS, *key, purged=position)


def _leave_production(recorded: RecordedEvent, event: version.VersionArchived, rows: Rows) -> None:
    """An archived production version leaves none behind; its successor, if any, comes with its own event."""
    row = rows.find(PRODUCTION, recorded.tenant, event.instance)
    if row is not None and row.number == event.number:
        rows.replace(
            PRODUCTION, ProductionRow(recorded.tenant, event.instance, None, None, recorded.position)
        )


def _gate(recorded: RecordedEvent, event: GuardrailEvaluated, rows: Rows) -> None:
    report = event.report
    rows.add(FACTS, fact(recorded, document(recorded, event)))
    rows.add(
        GATES, GateRow(recorded.position, recorded.tenant, report.target, report.gate, report.enforced_as)
    )
