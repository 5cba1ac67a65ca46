"""A command as the log's writer takes it: rows but for position and time, made in the caller's thread."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from application.ports import Outcome, StreamCheck, StreamWrite
from domain.shared.activity import Envelope, StreamKey
from domain.shared.errors import CommandTooLarge
from domain.shared.ids import event_id_text
from infrastructure.activity_log.errors import EventPayloadUnencodable
from infrastructure.activity_log.payload import encode_facts, encode_payload
from infrastructure.activity_log.record import Row

EVENTS_PER_COMMAND_MAX = 256
STREAM_IDS_KEPT = 8_192


@dataclass(frozen=True, slots=True)
class Expectation:
    """A stream that must stand at `expected`; `count` events follow."""

    stream_id: str
    label: str
    """`type:name`, for messages."""
    expected: int
    count: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """One event: the columns between position and recorded time, and the payload."""

    columns: Row
    stream_id: str
    stream_version: int
    ref: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """One command for the log: all of its events or none; or a refusal; or neither (unchanged)."""

    tenant: str
    command_id: str
    body_hash: bytes
    checks: tuple[Expectation, ...] = ()
    writes: tuple[Expectation, ...] = ()
    events: tuple[Prepared, ...] = ()
    refusal: tuple[str, str, bytes] | None = None
    """Code, detail and facts (JSON bytes)."""
    size_bytes: int = field(default=0)

    @property
    def key(self) -> tuple[str, str]:
        """What makes a command one and the same."""
        return self.tenant, self.command_id


def submission_of_writes(
    envelope: Envelope, writes: Sequence[StreamWrite], checks: Sequence[StreamCheck] = ()
) -> Submission:
    """Encode a command's events. Raises CommandTooLarge, EventPayloadNotFinite, EventPayloadUnencodable."""
    refuse_too_many(sum(len(write.events) for write in writes))
    builder = RowBuilder(envelope)
    expectations: list[Expectation] = []
    events: list[Prepared] = []
    for write in writes:
        expectation = _expectation(envelope.tenant, write.stream, write.expected, len(write.events))
        expectations.append(expectation)
        for version, event in enumerate(write.events, write.expected + 1):
            kind, identity = event.resource()
            payload = encode_payload(event)
            events.append(
                builder.prepared(expectation.stream_id, version, kind, identity, event.topic(), payload)
            )
    return builder.submission(
        checks=tuple(_expectation(envelope.tenant, check.stream, check.expected) for check in checks),
        writes=tuple(expectations),
        events=tuple(events),
    )


def submission_of_refusal(envelope: Envelope, code: str, detail: str, facts: dict[str, Any]) -> Submission:
    """A refusal to be kept as the command's outcome. Raises EventPayloadUnencodable."""
    refuse_unencodable(code, detail)
    return RowBuilder(envelope).submission(refusal=(code, detail, encode_facts(facts)))


def refuse_too_many(events: int) -> None:
    """Raises CommandTooLarge beyond 256 events."""
    if events > EVENTS_PER_COMMAND_MAX:
        raise CommandTooLarge(
            f"{events} events, a command makes {EVENTS_PER_COMMAND_MAX} at most",
            events=events,
            limit=EVENTS_PER_COMMAND_MAX,
        )


def refuse_unencodable(*texts: str | None) -> None:
    """Raises EventPayloadUnencodable: a text that is no UTF-8, or holds a NUL (which PostgreSQL cannot keep),
    would fail in the writer, where others wait.
    """
    together = "".join(text for text in texts if text)
    try:
        together.encode()
    except UnicodeEncodeError as error:
        raise EventPayloadUnencodable(f"a text of the envelope: {error.reason}") from error
    if "\0" in together:
        raise EventPayloadUnencodable("a text of the envelope holds a NUL")


class RowBuilder:
    """Makes the rows of one command; texts of the envelope are written out once."""

    def __init__(self, envelope: Envelope) -> None:
        actor = envelope.actor
        refuse_unencodable(
            envelope.tenant, envelope.reason, actor.principal, actor.method, actor.on_behalf_of
        )
        self._envelope = envelope
        self._command_id = str(envelope.command_id)
        self._who = (actor.principal, actor.method, actor.on_behalf_of, envelope.reason, self._command_id)
        causation = envelope.causation_id
        self._why = (envelope.body_hash, str(envelope.correlation_id), str(causation) if causation else None)
        self._ordinal = 0
        self._size = 0

    def prepared(
        self, stream_id: str, version: int, resource_type: str, resource_id: str, topic: str, payload: bytes
    ) -> Prepared:
        """The next event of the command."""
        envelope, ordinal = self._envelope, self._ordinal
        self._ordinal += 1
        self._size += len(payload)
        identity = event_id_text(envelope.tenant, envelope.command_id, ordinal)
        what = (identity, envelope.tenant, stream_id, version, resource_type, resource_id, topic)
        columns = (*what, *self._who, ordinal, *self._why)
        return Prepared(columns, stream_id, version, f"{resource_type}:{resource_id}", payload)

    def submission(
        self,
        *,
        checks: tuple[Expectation, ...] = (),
        writes: tuple[Expectation, ...] = (),
        events: tuple[Prepared, ...] = (),
        refusal: tuple[str, str, bytes] | None = None,
    ) -> Submission:
        """The command with everything made so far."""
        envelope = self._envelope
        return Submission(
            envelope.tenant, self._command_id, envelope.body_hash, checks, writes, events, refusal, self._size
        )


@lru_cache(maxsize=STREAM_IDS_KEPT)
def _stream_id(tenant: str, stream: StreamKey) -> str:
    return str(stream.id(tenant))


def _expectation(tenant: str, stream: StreamKey, expected: int, count: int = 0) -> Expectation:
    label = f"{stream.resource_type}:{stream.name}"
    return Expectation(_stream_id(tenant, stream), label, expected, count)


def accepted(position: int, body_hash: bytes, events: Sequence[tuple[str, int, str]]) -> Outcome:
    """The outcome of a recorded command from its events in order, each (stream id, stream version, ref)."""
    stands_at = {stream_id: version for stream_id, version, _ in events}
    return Outcome(
        kind="accepted",
        position=position,
        refs=tuple(dict.fromkeys(ref for _, _, ref in events)),
        versions={ref: stands_at[stream_id] for stream_id, _, ref in events},
        body_hash=body_hash,
    )
