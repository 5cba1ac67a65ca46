"""Facts: what a view quotes of an event, once, by its position: who, when, why and the content."""

import msgspec

from application.views import ActView
from domain.shared.activity import Event, RecordedEvent
from domain.shared.times import from_micros
from projections.temporal import Appended

_encode = msgspec.json.Encoder(order="deterministic").encode


class Fact(msgspec.Struct, frozen=True, gc=False):
    """The envelope of one event and, where the view quotes it, its content as JSON in its present form."""

    position: int
    tenant: str
    recorded_at_us: int
    actor: str
    method: str
    on_behalf_of: str | None
    reason: str | None
    document: bytes | None


def fact_table(projection: str) -> Appended[Fact]:
    """The facts of one projection."""
    return Appended(f"{projection}_fact", Fact, key=1)


def fact(recorded: RecordedEvent, document: bytes | None = None) -> Fact:
    """The fact of an event."""
    actor = recorded.actor
    return Fact(
        recorded.position,
        recorded.tenant,
        recorded.recorded_at_us,
        actor.principal,
        actor.method,
        actor.on_behalf_of,
        recorded.reason,
        document,
    )


def document(recorded: RecordedEvent, event: Event) -> bytes:
    """The event's content as JSON: the stored bytes, or those of its present form if it was written in an
    older one.
    """
    return recorded.payload if recorded.schema_version == event.SCHEMA_VERSION else _encode(event)


def act_view(row: Fact) -> ActView:
    """Who did it, when and why."""
    return ActView(
        position=row.position,
        at=from_micros(row.recorded_at_us),
        actor=row.actor,
        method=row.method,
        on_behalf_of=row.on_behalf_of,
        reason=row.reason,
    )
