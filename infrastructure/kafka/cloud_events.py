"""CloudEvents 1.0 over Kafka, both modes: what commands, results and activities have in common.

Header values are UTF-8 as they stand, as the Kafka binding says (percent-encoding is HTTP's).
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

from domain.shared.errors import Kind, RuleBroken

Headers: TypeAlias = list[tuple[str, bytes]]
RawHeaders: TypeAlias = Iterable[tuple[str, bytes | str | None]]
"""Headers as a client hands them out."""

CONTENT_TYPE = "content-type"
JSON = "application/json"
STRUCTURED = "application/cloudevents+json"
SPECVERSION = "1.0"
REQUIRED = ("id", "source", "type")


class MessageMalformed(RuleBroken):
    """The message is not a CloudEvent 1.0 in binary or structured JSON mode."""

    kind = Kind.MALFORMED
    remedy = (
        "Send `ce_specversion`, `ce_id`, `ce_source` and `ce_type` as headers, or the whole event as JSON."
    )


class Message(NamedTuple):
    """What goes to Kafka."""

    key: bytes
    value: bytes
    headers: Headers


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A CloudEvent as it was received: attributes as texts, data as bytes."""

    attributes: Mapping[str, str]
    """By their lower-case names, `datacontenttype` included."""
    data: bytes

    @property
    def id(self) -> str:
        """The event's id; of a command: the command id."""
        return self.attributes["id"]

    @property
    def source(self) -> str:
        """Who sent it."""
        return self.attributes["source"]

    @property
    def type(self) -> str:
        """What it is."""
        return self.attributes["type"]

    def get(self, name: str) -> str | None:
        """An attribute that need not be there."""
        return self.attributes.get(name)


def texts(headers: RawHeaders | None) -> dict[str, str]:
    """Headers by lower-case name, the last of a name; raises MessageMalformed for bytes that are no UTF-8."""
    found: dict[str, str] = {}
    for name, value in headers or ():
        try:
            found[name.lower()] = value.decode() if isinstance(value, bytes) else value or ""
        except UnicodeDecodeError as error:
            raise MessageMalformed(f"header {name}: {error.reason}", header=name) from error
    return found


def binary(attributes: Mapping[str, str | None], data: bytes, key: str, content_type: str = JSON) -> Message:
    """A message in binary mode; attributes that are None are left out."""
    headers: Headers = [("ce_specversion", SPECVERSION.encode()), (CONTENT_TYPE, content_type.encode())]
    headers += [(f"ce_{name}", value.encode()) for name, value in attributes.items() if value is not None]
    return Message(key.encode(), data, headers)


def structured(attributes: Mapping[str, str | None], data: Any, key: str) -> Message:
    """A message in structured mode; `data` is plain JSON."""
    present = {name: value for name, value in attributes.items() if value is not None}
    body = {"specversion": SPECVERSION, **present, "datacontenttype": JSON, "data": data}
    return Message(key.encode(), msgspec.json.encode(body), [(CONTENT_TYPE, STRUCTURED.encode())])


def read(headers: RawHeaders | None, value: bytes | None) -> CloudEvent:
    """A CloudEvent of either mode. Raises MessageMalformed."""
    named = texts(headers)
    if named.get(CONTENT_TYPE, "").lower().startswith("application/cloudevents"):
        return _checked(*_from_structured(value or b""))
    attributes = {name[3:]: text for name, text in named.items() if name.startswith("ce_")}
    if CONTENT_TYPE in named:
        attributes["datacontenttype"] = named[CONTENT_TYPE]
    return _checked(attributes, value or b"")


def _from_structured(value: bytes) -> tuple[dict[str, str], bytes]:
    try:
        members = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
        data = _data(members.pop("data", None), members.pop("data_base64", None))
        return {name: _text(name, raw) for name, raw in members.items() if bytes(raw) != b"null"}, data
    except (msgspec.MsgspecError, UnicodeDecodeError, binascii.Error) as error:
        raise MessageMalformed(f"the structured event: {error}") from error


def _data(data: msgspec.Raw | None, encoded: msgspec.Raw | None) -> bytes:
    if encoded is not None:
        return base64.b64decode(msgspec.json.decode(encoded, type=str), validate=True)
    return b"" if data is None else bytes(data)


def _text(name: str, raw: msgspec.Raw) -> str:
    value = msgspec.json.decode(raw)
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int):
        raise MessageMalformed(f"attribute {name} is neither text nor number nor truth value", attribute=name)
    return str(value)


def _checked(attributes: dict[str, str], data: bytes) -> CloudEvent:
    if attributes.get("specversion") != SPECVERSION:
        found = attributes.get("specversion")
        raise MessageMalformed(f"specversion is {found!r}, not {SPECVERSION}", specversion=found)
    missing = [name for name in REQUIRED if not attributes.get(name)]
    if missing:
        raise MessageMalformed(f"the attributes {', '.join(missing)} are missing", missing=missing)
    return CloudEvent(attributes=attributes, data=data)
