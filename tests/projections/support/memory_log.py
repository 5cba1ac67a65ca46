"""The activity log's port in memory, for the tests of the read side."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from application.ports import Loaded, Outcome, StreamCheck, StreamWrite
from domain.shared.activity import Envelope, Event, RecordedEvent, StreamKey
from domain.shared.errors import CommandIdReused, StreamConflict
from domain.shared.ids import event_id
from domain.shared.times import to_micros

S = TypeVar("S")
_encode = msgspec.json.Encoder(order="deterministic").encode


class MemoryLog:
    """Every event in a list; `clock_us` is the time of the next append, in µs since 1970."""

    def __init__(self, clock_us: int = 1_700_000_000_000_000) -> None:
        self.clock_us = clock_us
        self.events: list[RecordedEvent] = []
        self._versions: dict[UUID, int] = {}
        self._outcomes: dict[tuple[str, UUID], Outcome] = {}
        self._appended = threading.Condition()

    def append(
        self, envelope: Envelope, writes: Sequence[StreamWrite], checks: Sequence[StreamCheck] = ()
    ) -> Outcome:
        with self._appended:
            if (known := self._known(envelope)) is not None:
                return known
            for each in (*writes, *checks):
                current = self._versions.get(each.stream.id(envelope.tenant), 0)
                if current != each.expected:
                    raise StreamConflict(f"{each.stream} stands at {current}", current=current)
            recorded = self._record(envelope, writes)
            self.events.extend(recorded)
            outcome = Outcome(
                kind="accepted" if recorded else "unchanged",
                position=len(self.events),
                refs=tuple(dict.fromkeys(f"{r.resource_type}:{r.resource_id}" for r in recorded)),
                versions={f"{r.resource_type}:{r.resource_id}": r.stream_version for r in recorded},
                body_hash=envelope.body_hash,
            )
            self._outcomes[envelope.tenant, envelope.command_id] = outcome
            self._appended.notify_all()
            return outcome

    def _record(self, envelope: Envelope, writes: Sequence[StreamWrite]) -> list[RecordedEvent]:
        made: list[RecordedEvent] = []
        for each in writes:
            stream = each.stream.id(envelope.tenant)
            for event in each.events:
                self._versions[stream] = self._versions.get(stream, 0) + 1
                made.append(self._recorded(envelope, stream, event, len(made)))
        return made

    def _recorded(self, envelope: Envelope, stream: UUID, event: Event, ordinal: int) -> RecordedEvent:
        resource_type, resource_id = event.resource()
        return RecordedEvent(
            position=len(self.events) + ordinal + 1,
            event_id=event_id(envelope.tenant, envelope.command_id, ordinal),
            tenant=envelope.tenant,
            stream_id=stream,
            stream_version=self._versions[stream],
            resource_type=resource_type,
            resource_id=resource_id,
            action=event.action(),
            schema_version=event.SCHEMA_VERSION,
            actor=envelope.actor,
            reason=envelope.reason,
            command_id=envelope.command_id,
            correlation_id=envelope.correlation_id,
            causation_id=envelope.causation_id,
            recorded_at_us=self.clock_us,
            payload=_encode(event),
            event=event,
        )

    def _known(self, envelope: Envelope) -> Outcome | None:
        known = self.outcome(envelope.tenant, envelope.command_id)
        if known is None:
            return None
        if known.body_hash != envelope.body_hash:
            raise CommandIdReused("another body")
        return msgspec.structs.replace(known, repeated=True)

    def refuse(self, envelope: Envelope, code: str, detail: str, facts: dict[str, Any]) -> Outcome:
        if (known := self._known(envelope)) is not None:
            return known
        outcome = Outcome(
            kind="refused",
            position=len(self.events),
            code=code,
            detail=detail,
            facts=facts,
            body_hash=envelope.body_hash,
        )
        self._outcomes[envelope.tenant, envelope.command_id] = outcome
        return outcome

    def outcome(self, tenant: str, command_id: UUID) -> Outcome | None:
        return self._outcomes.get((tenant, command_id))

    def load(self, tenant: str, stream: StreamKey, initial: S, evolve: Callable[[S, Event], S]) -> Loaded[S]:
        state, events = initial, self.read_stream(tenant, stream)
        for recorded in events:
            if recorded.event is not None:
                state = evolve(state, recorded.event)
        return Loaded(state, len(events))

    def read_stream(self, tenant: str, stream: StreamKey) -> Sequence[RecordedEvent]:
        wanted = stream.id(tenant)
        return [recorded for recorded in self.events if recorded.stream_id == wanted]

    def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        return self.events[after : after + limit]

    def head(self) -> int:
        return len(self.events)

    def position_at(self, moment: datetime) -> int:
        until = to_micros(moment)
        return max((r.position for r in self.events if r.recorded_at_us <= until), default=0)

    def wait_beyond(self, position: int, timeout_s: float) -> int:
        with self._appended:
            self._appended.wait_for(lambda: len(self.events) > position, timeout_s)
            return len(self.events)
