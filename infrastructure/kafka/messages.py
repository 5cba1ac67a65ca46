"""An activity as a Kafka message: a CloudEvent in binary mode from which the log's row can be made again.

The value is the stored payload, byte for byte; every other column is a header. `recordhash` is the SHA-256
of the record, `linkhash` binds it to `previous` and `logepoch`; the other headers follow from the row and
are compared, so a flipped bit anywhere is noticed. Headers of other names (such as `traceparent`) may come
along.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from domain.shared.errors import RuleBroken
from domain.shared.times import from_micros
from infrastructure.activity_log.reading import split_topic
from infrastructure.activity_log.record import Row, record_of
from infrastructure.kafka.cloud_events import (
    CONTENT_TYPE,
    JSON,
    SPECVERSION,
    Headers,
    Message,
    MessageMalformed,
    RawHeaders,
    texts,
)

TYPE_PREFIX = "optaic.mlops."
_FIXED: Headers = [("ce_specversion", SPECVERSION.encode()), (CONTENT_TYPE, JSON.encode())]


_NAMES = (
    *("ce_specversion", CONTENT_TYPE, "ce_source", "ce_partitionkey"),
    *("ce_type", "ce_topic", "ce_schemaversion"),
    *("ce_id", "ce_subject", "ce_time", "ce_sequence", "ce_previous", "ce_correlationid"),
    *("ce_streamid", "ce_streamversion", "ce_resourcetype", "ce_resourceid", "ce_actor", "ce_authmethod"),
    *("ce_commandid", "ce_ordinal", "ce_bodyhash", "ce_recordedatus"),
    *("ce_logepoch", "ce_recordhash", "ce_linkhash"),
)
"""The headers of every activity in the order of `to_message`."""
_OPTIONAL = ("ce_causationid", "ce_onbehalfof", "ce_reason")
"""Those that follow where the row has them."""
_OURS = frozenset((*_NAMES, *_OPTIONAL))


class MessageDamaged(RuleBroken):
    """The message differs from what the relay wrote: a header or the value was changed."""

    remedy = "Find who writes to the topic besides the relay; then republish from that position."


class ActivityMessage(NamedTuple):
    """An activity as it was read from Kafka."""

    row: Row
    """The log's columns in declared order."""
    previous: int
    """The position of the tenant's event before this one; 0 for its first."""
    epoch: str
    """The life of the log that published it."""

    @property
    def position(self) -> int:
        """The event's place in the whole log."""
        return self.row[0]

    @property
    def tenant(self) -> str:
        """Whose event it is; also the message's key."""
        return self.row[2]


def source_of(tenant: str) -> str:
    """The CloudEvents source of everything that we publish for a tenant."""
    return f"/optaic/{tenant}/mlops"


def record_hash(row: Row) -> str:
    """SHA-256 of the record, in hexadecimal."""
    return sha256(record_of(row)).hexdigest()


def to_message(row: Row, previous: int, epoch: str) -> Message:
    """The message of a stored row."""
    encoded = [each.encode() if each.__class__ is str else each for each in row]
    (position, event_id, tenant, stream_id, stream_version, kind, name, _, actor, method) = encoded[:10]
    (on_behalf_of, reason, command_id, ordinal, body_hash, correlation_id, causation_id) = encoded[10:17]
    of_record = sha256(_record(encoded)).hexdigest().encode()
    headers = [
        *_of_tenant(row[2]),
        *_of_topic(row[7]),
        ("ce_id", event_id),
        ("ce_subject", b"%b:%b" % (kind, name)),
        ("ce_time", _time(row[17])),
        ("ce_sequence", b"%020d" % position),
        ("ce_previous", b"%020d" % previous),
        ("ce_correlationid", correlation_id),
        ("ce_streamid", stream_id),
        ("ce_streamversion", b"%d" % stream_version),
        ("ce_resourcetype", kind),
        ("ce_resourceid", name),
        ("ce_actor", actor),
        ("ce_authmethod", method),
        ("ce_commandid", command_id),
        ("ce_ordinal", b"%d" % ordinal),
        ("ce_bodyhash", body_hash.hex().encode()),
        ("ce_recordedatus", b"%d" % row[17]),
        ("ce_logepoch", epoch.encode()),
        ("ce_recordhash", of_record),
        ("ce_linkhash", _link(of_record, previous, epoch.encode())),
    ]
    if causation_id is not None:
        headers.append(("ce_causationid", causation_id))
    if on_behalf_of is not None:
        headers.append(("ce_onbehalfof", on_behalf_of))
    if reason is not None:
        headers.append(("ce_reason", reason))
    return Message(tenant, row[18], headers)


def from_message(headers: RawHeaders | None, key: bytes | None, value: bytes | None) -> ActivityMessage:
    """The activity of a message. Raises MessageMalformed, MessageDamaged."""
    found = _as_published(headers, key, value) if headers.__class__ is list else None
    return found or _looked_at_closely(headers, key, value)


def _as_published(headers: Any, key: bytes | None, value: bytes | None) -> ActivityMessage | None:
    """The usual case, at a third of the cost: the headers as the relay wrote them, those of others behind.
    Each is compared with what follows from the row; anything else is looked at closely.
    """
    try:
        names, texts = zip(*headers, strict=True)
        end = len(_NAMES)
        if names[:end] != _NAMES:
            return None
        (event_id, subject, time, sequence, before, correlation_id, stream_id, stream_version) = texts[7:15]
        (kind, name, actor, method, command_id, ordinal, body_hash, recorded_at) = texts[15:23]
        (epoch, record_hash, link_hash) = texts[23:end]
        optional: list[bytes | None] = []
        for each in _OPTIONAL:
            is_there = end < len(names) and names[end] == each
            optional.append(texts[end] if is_there else None)
            end += is_there
        causation_id, on_behalf_of, reason = optional
        tenant, tenant_text, of_tenant = _known_tenant(texts[3])
        topic, topic_text, of_topic = _known_topic(texts[5])
        position, previous, version = int(sequence), int(before), int(stream_version)
        number, recorded_at_us = int(ordinal), int(recorded_at)
        of_body = bytes.fromhex(body_hash.decode())
        payload = value or b""
        encoded = (
            *(position, event_id, tenant, stream_id, version, kind, name, topic, actor, method),
            *(on_behalf_of, reason, command_id, number, of_body, correlation_id, causation_id),
            *(recorded_at_us, payload),
        )
        of_record = sha256(_record(encoded)).hexdigest().encode()
        is_same = (
            texts[:4] == of_tenant
            and texts[4:7] == of_topic
            and key == tenant
            and subject == b"%b:%b" % (kind, name)
            and time == _time(recorded_at_us)
            and sequence == b"%020d" % position
            and before == b"%020d" % previous
            and stream_version == b"%d" % version
            and ordinal == b"%d" % number
            and recorded_at == b"%d" % recorded_at_us
            and body_hash == of_body.hex().encode()
            and record_hash == of_record
            and link_hash == _link(of_record, previous, epoch)
            and _OURS.isdisjoint(names[end:])
        )
        if not is_same:
            return None
        return ActivityMessage(_decoded(encoded, tenant_text, topic_text), previous, epoch.decode())
    except (ValueError, TypeError, AttributeError, OverflowError, OSError, struct.error):
        return None


def _decoded(encoded: tuple[Any, ...], tenant: str, topic: str) -> Row:
    """The row whose texts are bytes in `encoded`."""
    (position, event_id, _, stream_id, stream_version, kind, name, _, actor, method) = encoded[:10]
    (on_behalf_of, reason, command_id, ordinal, body_hash, correlation_id, causation_id) = encoded[10:17]
    return (
        *(position, event_id.decode(), tenant, stream_id.decode(), stream_version),
        *(kind.decode(), name.decode(), topic, actor.decode(), method.decode()),
        None if on_behalf_of is None else on_behalf_of.decode(),
        None if reason is None else reason.decode(),
        *(command_id.decode(), ordinal, body_hash, correlation_id.decode()),
        None if causation_id is None else causation_id.decode(),
        *encoded[17:],
    )


def _looked_at_closely(headers: RawHeaders | None, key: bytes | None, value: bytes | None) -> ActivityMessage:
    named = texts(headers)
    try:
        row = _row(named, value or b"")
        previous, epoch = int(named["ce_previous"]), named["ce_logepoch"]
        expected = to_message(row, previous, epoch)
    except (KeyError, ValueError, OverflowError, OSError, struct.error) as error:
        raise MessageMalformed(f"not an activity: {error!r}") from error
    _compare(expected, named, key)
    return ActivityMessage(row, previous, epoch)


def _row(named: dict[str, str], payload: bytes) -> Row:
    return (
        int(named["ce_sequence"]),
        named["ce_id"],
        named["ce_partitionkey"],
        named["ce_streamid"],
        int(named["ce_streamversion"]),
        named["ce_resourcetype"],
        named["ce_resourceid"],
        named["ce_topic"],
        named["ce_actor"],
        named["ce_authmethod"],
        named.get("ce_onbehalfof"),
        named.get("ce_reason"),
        named["ce_commandid"],
        int(named["ce_ordinal"]),
        bytes.fromhex(named["ce_bodyhash"]),
        named["ce_correlationid"],
        named.get("ce_causationid"),
        int(named["ce_recordedatus"]),
        payload,
    )


def _compare(expected: Message, named: dict[str, str], key: bytes | None) -> None:
    differing = [name for name, value in expected.headers if named.get(name) != value.decode()]
    if key != expected.key:
        differing.append("key")
    if differing:
        position = int(named["ce_sequence"])
        detail = f"the message of position {position} differs in {', '.join(differing)}"
        raise MessageDamaged(detail, position=position, differing=differing)


class _Lengths(dict[int, bytes]):
    """The 4 bytes of a length, kept: lengths come again and again."""

    def __missing__(self, length: int) -> bytes:
        made = self[length] = struct.pack(">I", length)
        return made


_LENGTHS = _Lengths()
_NULL = b"\xff\xff\xff\xff"
_integer = struct.Struct(">Iq").pack


def _record(encoded: Sequence[Any]) -> bytes:
    """As `record_of`, of a row whose texts are bytes already and whose columns have their types."""
    (position, event_id, tenant, stream_id, stream_version, kind, name, topic, actor, method) = encoded[:10]
    (on_behalf_of, reason, command_id, ordinal, body_hash, correlation_id, causation_id) = encoded[10:17]
    recorded_at_us, payload = encoded[17:]
    return b"".join(
        (
            _integer(8, position),
            *(_LENGTHS[len(event_id)], event_id, _LENGTHS[len(tenant)], tenant),
            *(_LENGTHS[len(stream_id)], stream_id, _integer(8, stream_version)),
            *(_LENGTHS[len(kind)], kind, _LENGTHS[len(name)], name, _LENGTHS[len(topic)], topic),
            *(_LENGTHS[len(actor)], actor, _LENGTHS[len(method)], method),
            *((_NULL,) if on_behalf_of is None else (_LENGTHS[len(on_behalf_of)], on_behalf_of)),
            *((_NULL,) if reason is None else (_LENGTHS[len(reason)], reason)),
            *(_LENGTHS[len(command_id)], command_id, _integer(8, ordinal)),
            *(_LENGTHS[len(body_hash)], body_hash, _LENGTHS[len(correlation_id)], correlation_id),
            *((_NULL,) if causation_id is None else (_LENGTHS[len(causation_id)], causation_id)),
            *(_integer(8, recorded_at_us), _LENGTHS[len(payload)], payload),
        )
    )


def _link(of_record: bytes, previous: int, epoch: bytes) -> bytes:
    return sha256(b"%b:%d:%b" % (of_record, previous, epoch)).hexdigest().encode()


def _time(micros: int) -> bytes:
    seconds, rest = divmod(micros, 1_000_000)
    return b"%b.%06dZ" % (_second(seconds), rest)


@lru_cache(maxsize=256)
def _second(seconds: int) -> bytes:
    return from_micros(seconds * 1_000_000).strftime("%Y-%m-%dT%H:%M:%S").encode()


@lru_cache(maxsize=16_384)
def _of_tenant(tenant: str) -> Headers:
    return [*_FIXED, ("ce_source", source_of(tenant).encode()), ("ce_partitionkey", tenant.encode())]


@lru_cache(maxsize=1_024)
def _of_topic(topic: str) -> Headers:
    action, version = split_topic(topic)
    return [
        ("ce_type", f"{TYPE_PREFIX}{action}".encode()),
        ("ce_topic", topic.encode()),
        ("ce_schemaversion", str(version).encode()),
    ]


@lru_cache(maxsize=16_384)
def _known_tenant(tenant: bytes) -> tuple[bytes, str, tuple[bytes, ...]]:
    """The tenant, as text, and the values of its headers."""
    return tenant, tenant.decode(), tuple(value for _, value in _of_tenant(tenant.decode()))


@lru_cache(maxsize=1_024)
def _known_topic(topic: bytes) -> tuple[bytes, str, tuple[bytes, ...]]:
    """The topic, as text, and the values of its headers."""
    return topic, topic.decode(), tuple(value for _, value in _of_topic(topic.decode()))
