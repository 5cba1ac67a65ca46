"""The schedules of an instance that stand, and since when: folded from its stream."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from domain.model_instance.events import InstanceArchived, InstanceCreated, InstanceUpdated
from domain.model_instance.specification import Schedule
from domain.shared.activity import RecordedEvent
from domain.shared.times import from_micros

_Identity = tuple[str | None, ...]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An enabled schedule, since the event that brought or enabled it."""

    tenant: str
    instance: str
    owner: str
    schedule: Schedule
    since: datetime
    position: int
    """Of that event."""


def standing(stream: Sequence[RecordedEvent]) -> tuple[Standing, ...]:
    """What stands at the end of an instance's stream; an archived instance has none."""
    found: dict[_Identity, Standing] = {}
    for recorded in stream:
        event = recorded.event
        if isinstance(event, InstanceArchived):
            return ()
        if isinstance(event, InstanceCreated | InstanceUpdated):
            found = _after(found, recorded, event)
    return tuple(found.values())


def _after(
    before: dict[_Identity, Standing], recorded: RecordedEvent, event: InstanceCreated | InstanceUpdated
) -> dict[_Identity, Standing]:
    """What was enabled before keeps its beginning, whatever else the update changed."""
    after: dict[_Identity, Standing] = {}
    for one in event.specification.schedules:
        if not one.enabled:
            continue
        identity = (one.kind, one.cron, one.timezone, one.after_dataset)
        former = before.get(identity)
        after[identity] = Standing(
            tenant=recorded.tenant,
            instance=event.name,
            owner=event.specification.owner,
            schedule=one,
            since=former.since if former else from_micros(recorded.recorded_at_us),
            position=former.position if former else recorded.position,
        )
    return after
