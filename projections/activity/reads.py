"""What the activity answers, at one snapshot."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import func, or_, select

from application.queries import ActivityFilter
from application.views import ActivityView, Page
from domain.shared.activity import StreamKey
from domain.shared.times import from_micros, to_micros
from projections.activity.tables import ACTIVITY, ActivityRow
from projections.engine.paging import Paged
from projections.engine.snapshot import Snapshot


def activity(snapshot: Snapshot, filters: ActivityFilter, paged: Paged) -> Page[ActivityView]:
    """A page of events, newest first unless the filter says otherwise."""
    c = snapshot.columns(ACTIVITY)
    statement = snapshot.rows(ACTIVITY)
    for name in ("resource_type", "resource_id", "actor", "action"):
        wanted = getattr(filters, name)
        if wanted is not None:
            statement = statement.where(c[name] == wanted)
    if filters.correlation_id is not None:
        statement = statement.where(c.correlation_id == str(filters.correlation_id))
    if filters.since is not None:
        statement = statement.where(c.recorded_at_us >= to_micros(filters.since))
    if filters.until is not None:
        statement = statement.where(c.recorded_at_us <= to_micros(filters.until))
    if filters.after:
        statement = statement.where(c.position > filters.after)
    return paged.page(snapshot, statement, [(c.position, not filters.oldest_first)], _views)


def event(snapshot: Snapshot, position: int) -> ActivityView | None:
    """The event at a position, if it is the tenant's."""
    row = snapshot.one(ACTIVITY, snapshot.columns(ACTIVITY).position == position)
    return _view(row) if row else None


def history(snapshot: Snapshot, resource_type: str, resource_id: str, paged: Paged) -> Page[ActivityView]:
    """A page of the events of a resource and of what belongs to it, oldest first."""
    c = snapshot.columns(ACTIVITY)
    own = (c.resource_type == resource_type) & (c.resource_id == resource_id)
    owned = (c.owner_type == resource_type) & (c.owner_id == resource_id)
    return paged.page(snapshot, snapshot.rows(ACTIVITY, or_(own, owned)), [(c.position, False)], _views)


def is_known(snapshot: Snapshot, resource_type: str, resource_id: str) -> bool:
    """Whether anything happened to such a resource, or to something that belongs to it."""
    c = snapshot.columns(ACTIVITY)
    own = (c.resource_type == resource_type) & (c.resource_id == resource_id)
    owned = (c.owner_type == resource_type) & (c.owner_id == resource_id)
    return any(snapshot.one(ACTIVITY, condition) is not None for condition in (own, owned))


def stream_versions(snapshot: Snapshot, streams: Sequence[StreamKey]) -> dict[StreamKey, int]:
    """The versions at which streams stood; 0 for one without events."""
    c = snapshot.columns(ACTIVITY)
    ids = {str(stream.id(snapshot.tenant)): stream for stream in streams}
    statement = (
        select(c.stream_id, func.max(c.stream_version))
        .where(c.stream_id.in_(list(ids)), c.position <= snapshot.at)
        .group_by(c.stream_id)
    )
    found = {ids[row[0]]: row[1] for row in snapshot.connection.execute(statement)}
    return {stream: found.get(stream, 0) for stream in streams}


def _views(rows: Sequence[Sequence[object]]) -> list[ActivityView]:
    return [_view(ActivityRow(*row)) for row in rows]  # pyright: ignore[reportArgumentType]


def _view(row: ActivityRow) -> ActivityView:
    return ActivityView(
        position=row.position,
        event_id=UUID(row.event_id),
        resource_type=row.resource_type,
        resource_id=row.resource_id,
        stream_version=row.stream_version,
        action=row.action,
        schema_version=row.schema_version,
        actor=row.actor,
        method=row.method,
        on_behalf_of=row.on_behalf_of,
        reason=row.reason,
        command_id=UUID(row.command_id),
        correlation_id=UUID(row.correlation_id),
        causation_id=None if row.causation_id is None else UUID(row.causation_id),
        recorded_at=from_micros(row.recorded_at_us),
        sentence=row.sentence,
        payload=msgspec.Raw(_shown(row)),
    )


def _shown(row: ActivityRow) -> bytes:
    """The payload as it was recorded, but for the hash of a key: it proves a guess, and nobody needs it."""
    if row.action != "access.granted":
        return row.payload
    fields = msgspec.json.decode(row.payload, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({name: value for name, value in fields.items() if name != "secret_sha256"})
