"""The table of the activity: one row an event, appended."""

from typing import Any

import msgspec

from projections.temporal import Appended, Relation


class ActivityRow(msgspec.Struct, frozen=True, gc=False):
    """An event with its envelope. `owner_*` is what the resource belongs to: a version's or run's instance,
    …
    """

    position: int
    tenant: str
    event_id: str
    stream_id: str
    stream_version: int
    resource_type: str
    resource_id: str
    owner_type: str
    owner_id: str
    action: str
    schema_version: int
    actor: str
    method: str
    on_behalf_of: str | None
    reason: str | None
    command_id: str
    correlation_id: str
    causation_id: str | None
    recorded_at_us: int
    sentence: str
    payload: bytes


ACTIVITY = Appended(
    "activity_event",
    ActivityRow,
    key=1,
    indexes=[
        ("tenant", "resource_type", "resource_id", "position"),
        ("tenant", "owner_type", "owner_id", "position"),
        ("tenant", "actor", "position"),
        ("tenant", "action", "position"),
        ("tenant", "correlation_id", "position"),
        ("stream_id", "position", "stream_version"),
    ],
)

RELATIONS: tuple[Relation[Any], ...] = (ACTIVITY,)
