"""Payload bytes: JSON written once by one deterministic encoder, read through the literal topic table."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from domain.catalogue import EVENT_CLASSES, EVENTS
from domain.run.events import RunMetricsLogged
from domain.shared.activity import Event
from domain.shared.errors import CommandTooLarge
from infrastructure.activity_log.errors import (
    EventPayloadNotFinite,
    EventPayloadOutOfBounds,
    EventPayloadUnencodable,
)
from infrastructure.activity_log.upcasting import UPCASTS, Upcasts, upcast

PAYLOAD_BYTES_MAX = 64 * 1024

Decode: TypeAlias = Callable[[bytes], Event]

_encode = msgspec.json.Encoder(order="deterministic").encode
_COPIED = (RunMetricsLogged,)
"""Events of a checked command's own values, and so many of them that reading them again would cost as much as
recording them."""
_read_again: Mapping[type[Event], Callable[[bytes], Event]] = {
    cls: msgspec.json.Decoder(cls).decode for cls in EVENT_CLASSES if cls not in _COPIED
}


def encode_payload(event: Event) -> bytes:
    """The event's payload bytes, which can be read again. Raises EventPayloadNotFinite,
    EventPayloadUnencodable, EventPayloadOutOfBounds, CommandTooLarge.
    """
    try:
        payload = _encode(event)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EventPayloadUnencodable(f"{event.topic()}: {error}", topic=event.topic()) from error
    if b"null" in payload:
        _refuse_non_finite(event)
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise CommandTooLarge(
            f"{event.topic()} has {len(payload)} bytes, an event takes {PAYLOAD_BYTES_MAX}",
            topic=event.topic(),
            bytes=len(payload),
            limit=PAYLOAD_BYTES_MAX,
        )
    _check_bounds(event, payload)
    return payload


def _check_bounds(event: Event, payload: bytes) -> None:
    """Encoding does not look at bounds, decoding does: such an event would stop every view for good."""
    read_again = _read_again.get(type(event))
    if read_again is None:
        return
    try:
        read_again(payload)
    except msgspec.ValidationError as error:
        name = type(event).__name__  # its topic may depend on the very field that is wrong
        raise EventPayloadOutOfBounds(f"{name}: {error}", event=name) from None


def encode_facts(facts: Mapping[str, Any]) -> bytes:
    """The facts of a refusal as JSON bytes. Raises EventPayloadUnencodable."""
    try:
        return _encode(facts)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EventPayloadUnencodable(f"facts of a refusal: {error}") from error


def _refuse_non_finite(event: Event) -> None:
    """The encoder writes NaN and infinity as null: wherever a null stands, look what it was."""
    path = _non_finite_path(event)
    if path is not None:
        raise EventPayloadNotFinite(
            f"{event.topic()}: {path} is not a finite number", topic=event.topic(), path=path
        )


def _non_finite_path(value: object) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else ""
    for name, item in _parts(value):
        path = _non_finite_path(item)
        if path is not None:
            return f"{name}.{path}" if path else name
    return None


def _parts(value: object) -> Iterable[tuple[str, object]]:
    if isinstance(value, msgspec.Struct):
        return ((name, getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, Mapping):
        return ((str(key), item) for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ((str(index), item) for index, item in enumerate(value))
    return ()


class Decoder:
    """Decodes payloads by topic; old forms go through the upcasts, unknown topics give None."""

    def __init__(self, events: Mapping[str, type[Event]] = EVENTS, upcasts: Upcasts = UPCASTS) -> None:
        self._events = events
        self._upcasts = upcasts
        self._known: dict[str, Decode] = {
            topic: msgspec.json.Decoder(cls).decode for topic, cls in events.items()
        }

    def decode(self, topic: str, payload: bytes) -> Event | None:
        """The event as this code knows it today; None where it does not know the topic.

        Raises msgspec.DecodeError or msgspec.ValidationError for bytes that are not of the topic's form.
        """
        decode = self._known.get(topic)
        if decode is not None:
            return decode(payload)
        return self._decode_older(topic, payload)

    def _decode_older(self, topic: str, payload: bytes) -> Event | None:
        present = upcast(topic, lambda: msgspec.json.decode(payload), self._upcasts)
        if present is None or present[0] not in self._events:
            return None
        return msgspec.convert(present[1], self._events[present[0]])
