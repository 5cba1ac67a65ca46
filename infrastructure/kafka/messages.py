"""An activity as a Kafka message: a CloudEvent in binary mode from which the log's row can be made again.

The value is the stored payload, byte for byte; every other column is a header. `recordhash` is the SHA-256
of the record, `linkhash` binds it to `previous` and `logepoch`; the other headers follow from the row and
are compared, so a flipped bit anywhere is noticed. Headers of other names (such as `traceparent`) may come
along.
"""

from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

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
    (position, event_id, tenant, stream_id, stream_version, resource_type, resource_id, topic) = row[:8]
    (actor, method, on_behalf_of, reason, command_id, ordinal, body_hash, correlation_id) = row[8:16]
    (causation_id, recorded_at_us, payload) = row[16:]
    of_record = record_hash(row)
    values = (
        ("ce_id", event_id),
        ("ce_subject", f"{resource_type}:{resource_id}"),
        ("ce_time", _time(recorded_at_us)),
        ("ce_sequence", f"{position:020d}"),
        ("ce_previous", f"{previous:020d}"),
        ("ce_logepoch", epoch),
        ("ce_correlationid", correlation_id),
        ("ce_causationid", causation_id),
        ("ce_streamid", stream_id),
        ("ce_streamversion", str(stream_version)),
        ("ce_resourcetype", resource_type),
        ("ce_resourceid", resource_id),
        ("ce_actor", actor),
        ("ce_authmethod", method),
        ("ce_onbehalfof", on_behalf_of),
        ("ce_reason", reason),
        ("ce_commandid", command_id),
        ("ce_ordinal", str(ordinal)),
        ("ce_bodyhash", body_hash.hex()),
        ("ce_recordedatus", str(recorded_at_us)),
        ("ce_recordhash", of_record),
        ("ce_linkhash", _link(of_record, previous, epoch)),
    )
    headers = [*_FIXED, *_of_tenant(tenant), *_of_topic(topic)]
    headers += [(name, value.encode()) for name, value in values if value is not None]
    return Message(tenant.encode(), payload, headers)


def from_message(headers: RawHeaders | None, key: bytes | None, value: bytes | None) -> ActivityMessage:
    """The activity of a message. Raises MessageMalformed, MessageDamaged."""
    named = texts(headers)
    try:
        row = _row(named, value or b"")
        previous, epoch = int(named["ce_previous"]), named["ce_logepoch"]
        expected = to_message(row, previous, epoch)
    except (KeyError, ValueError, OverflowError, OSError) as error:
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


def _link(of_record: str, previous: int, epoch: str) -> str:
    return sha256(f"{of_record}:{previous}:{epoch}".encode()).hexdigest()


def _time(micros: int) -> str:
    return from_micros(micros).isoformat(timespec="microseconds").replace("+00:00", "Z")


@lru_cache(maxsize=16_384)
def _of_tenant(tenant: str) -> Headers:
    return [("ce_source", source_of(tenant).encode()), ("ce_partitionkey", tenant.encode())]


@lru_cache(maxsize=1_024)
def _of_topic(topic: str) -> Headers:
    action, version = split_topic(topic)
    return [
        ("ce_type", f"{TYPE_PREFIX}{action}".encode()),
        ("ce_topic", topic.encode()),
        ("ce_schemaversion", str(version).encode()),
    ]
