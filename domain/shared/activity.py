"""An activity: one immutable event and its envelope. To be recorded and recorded are two types."""

from typing import ClassVar
from uuid import UUID

import msgspec

from domain.shared.ids import stream_id


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened to one resource: past tense, references and numbers, never blobs.

    A subclass names its actions literally: they are stored for ever. One class serves several actions where
    one
    aggregate has several kinds (runs); `action()` then picks by the event's own kind.
    """

    ACTIONS: ClassVar[tuple[str, ...]] = ()
    SCHEMA_VERSION: ClassVar[int] = 1

    def action(self) -> str:
        """The activity's action, `<resource>.<verb in the past>`."""
        return self.ACTIONS[0]

    def resource(self) -> tuple[str, str]:
        """Resource type and id that the activity is about."""
        raise NotImplementedError

    def topic(self) -> str:
        """Action and schema version, the one name under which the payload is stored."""
        return f"{self.action()}:{self.SCHEMA_VERSION}"


class StreamKey(msgspec.Struct, frozen=True, order=True):
    """Names a stream: one consistency boundary, whose versions run 1, 2, 3 without a hole."""

    resource_type: str
    name: str

    def id(self, tenant: str) -> UUID:
        """UUIDv5 of (tenant, resource type, name); a run's stream is the run's own id."""
        return (
            UUID(self.name)
            if self.resource_type == "run"
            else stream_id(tenant, self.resource_type, self.name)
        )


class Actor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who acts: an opaque principal, how it was authenticated, and for whom it acts (recorded, never
    authorised by).
    """

    principal: str
    method: str = "local"
    on_behalf_of: str | None = None


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What all events of one command share; set once by the bus."""

    tenant: str
    actor: Actor
    command_id: UUID
    body_hash: bytes
    correlation_id: UUID
    causation_id: UUID | None = None
    reason: str | None = None


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event as it stands in the log. `event` is None where this code does not know the topic."""

    position: int
    event_id: UUID
    tenant: str
    stream_id: UUID
    stream_version: int
    resource_type: str
    resource_id: str
    action: str
    schema_version: int
    actor: Actor
    reason: str | None
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    recorded_at_us: int
    payload: bytes
    event: Event | None
