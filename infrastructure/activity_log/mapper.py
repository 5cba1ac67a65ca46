"""Between events of the domain and the library's stored events, through the literal topic table."""

from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.persistence import (
    Mapper,
    MapperDeserialisationError,
    ProgrammingError,
    StoredEvent,
    Transcoder,
)

from domain.shared.activity import Event
from infrastructure.activity_log.payload import Decoder, encode_payload


class StreamEvent(msgspec.Struct, frozen=True):
    """An event in its stream, in the shape that the library's stores take (originator = stream)."""

    originator_id: UUID
    originator_version: int
    event: Event | None
    """None: this code does not know the stored topic."""
    topic: str = ""


class ResourceEvent(StoredEvent):
    """A stored event that also says which resource it is about."""

    def __init__(self, stored: StreamEvent, event: Event) -> None:
        super().__init__(
            stored.originator_id, stored.originator_version, event.topic(), encode_payload(event)
        )
        object.__setattr__(self, "resource", event.resource())


class EventMapper(Mapper[UUID]):
    """Maps through the literal topic table; nothing compresses or encrypts the bytes, they are the record."""

    def __init__(self, transcoder: Transcoder, *, decoder: Decoder | None = None) -> None:
        super().__init__(transcoder)
        self._decoder = decoder or Decoder()

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """Encode a `StreamEvent`. Raises EventPayloadNotFinite, EventPayloadUnencodable, CommandTooLarge."""
        if domain_event.event is None:
            raise ProgrammingError(f"{domain_event.topic} is not known to this code and cannot be written")
        return ResourceEvent(domain_event, domain_event.event)

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """Decode to a `StreamEvent`. Raises MapperDeserialisationError for bytes not of the topic's form."""
        topic = stored_event.topic
        try:
            event = self._decoder.decode(topic, stored_event.state)
        except msgspec.MsgspecError as error:
            message = (
                f"{stored_event.originator_id} version {stored_event.originator_version} ({topic}): {error}"
            )
            raise MapperDeserialisationError(message) from error
        return StreamEvent(stored_event.originator_id, stored_event.originator_version, event, topic)  # type: ignore[arg-type]
