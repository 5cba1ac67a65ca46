"""The fold of the activity."""

import msgspec

from domain.dataset.events import DatasetCreated
from domain.guardrails.events import GuardrailEvaluated
from domain.shared.activity import Event, RecordedEvent
from projections.activity.tables import ACTIVITY, ActivityRow
from projections.activity.words import sentence
from projections.engine.projection import Rows

_OWNER_TYPES = {
    "model_version": "model_instance",
    "dataset_version": "dataset",
    "ml_module_def": "ml_module_def",
}


def fold(recorded: RecordedEvent, event: Event, rows: Rows) -> None:
    """Keep the event as it was recorded."""
    owner_type, owner_id = _owner(recorded, event)
    actor = recorded.actor
    event_id, stream_id, command_id, correlation_id, causation_id = msgspec.to_builtins(
        (
            recorded.event_id,
            recorded.stream_id,
            recorded.command_id,
            recorded.correlation_id,
            recorded.causation_id,
        )
    )  # their texts, as str() makes them, all at once
    rows.add(
        ACTIVITY,
        ActivityRow(
            recorded.position,
            recorded.tenant,
            event_id,
            stream_id,
            recorded.stream_version,
            recorded.resource_type,
            recorded.resource_id,
            owner_type,
            owner_id,
            recorded.action,
            recorded.schema_version,
            actor.principal,
            actor.method,
            actor.on_behalf_of,
            recorded.reason,
            command_id,
            correlation_id,
            causation_id,
            recorded.recorded_at_us,
            sentence(event).replace("\0", "\ufffd"),  # PostgreSQL keeps no NUL
            recorded.payload,
        ),
    )


def _owner(recorded: RecordedEvent, event: Event) -> tuple[str, str]:
    """What the event's resource belongs to: `spx-alpha@3` and the runs of `spx-alpha` to the instance `spx-
    alpha`.
    """
    instance = None if isinstance(event, GuardrailEvaluated) else getattr(event, "instance", None)
    if isinstance(instance, str) and not isinstance(event, DatasetCreated):
        return "model_instance", instance
    owner = _OWNER_TYPES.get(recorded.resource_type)
    if owner is None:
        return recorded.resource_type, recorded.resource_id
    return owner, recorded.resource_id.partition("@")[0]
