"""The log in the terms of the library `eventsourcing`: recorders and a subscription."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    IntegrityError,
    ListenNotifySubscription,
    Notification,
    OperationalError,
    ProgrammingError,
    StoredEvent,
)

from application.ports import Outcome
from domain.shared.activity import Actor, Envelope
from domain.shared.errors import CommandIdReused, LogBusy, StreamConflict
from infrastructure.activity_log.dialect import ReadConnections
from infrastructure.activity_log.errors import LogClosed, LogWriteFailed
from infrastructure.activity_log.store import LogStore
from infrastructure.activity_log.submission import Expectation, RowBuilder, Submission, refuse_too_many


def bare_envelope() -> Envelope:
    """An envelope for events that come without one, as the library's own tools and suites send them."""
    return Envelope(
        tenant="bare",
        actor=Actor(principal="library"),
        command_id=uuid4(),
        body_hash=b"",
        correlation_id=uuid4(),
    )


class LogAggregateRecorder(AggregateRecorder):
    """Streams of the log in the library's terms."""

    def __init__(self, store: LogStore, without_envelope: Callable[[], Envelope] | None = None) -> None:
        """`without_envelope` makes the envelope of events that come without; None refuses them."""
        self.store = store
        self._without_envelope = without_envelope

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, envelope: Envelope | None = None, **_: Any
    ) -> Sequence[int] | None:
        """Record events of one command. Raises the library's IntegrityError for a conflict or a reused id."""
        self._insert(stored_events, envelope)
        return None

    def _insert(self, stored_events: Sequence[StoredEvent], envelope: Envelope | None) -> Outcome | None:
        if not stored_events:
            return None
        if envelope is None:
            if self._without_envelope is None:
                raise ProgrammingError(
                    "save(*events, envelope=...): no event is recorded without an envelope"
                )
            envelope = self._without_envelope()
        submission = _submission(stored_events, envelope)
        try:
            outcome = self.store.commit.submit(submission)
        except (StreamConflict, CommandIdReused) as error:
            raise IntegrityError(error.detail) from error
        except (LogBusy, LogClosed, LogWriteFailed) as error:
            raise OperationalError(error.detail) from error
        return outcome

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Events of one stream, by stream version."""
        statement = "SELECT stream_version, topic, payload FROM activity_log WHERE stream_id = ?"
        parameters: list[Any] = [str(originator_id)]
        for condition, bound in ((" AND stream_version > ?", gt), (" AND stream_version <= ?", lte)):
            if bound is not None:
                statement += condition
                parameters.append(bound)
        statement += f" ORDER BY stream_version {'DESC' if desc else 'ASC'}"
        if limit is not None:
            statement += " LIMIT ?"
            parameters.append(limit)
        rows = self._connections.rows(statement, parameters)
        return [StoredEvent(originator_id, version, topic, state) for version, topic, state in rows]

    @property
    def _connections(self) -> ReadConnections:
        return self.store.reader.connections


def _submission(stored_events: Sequence[StoredEvent], envelope: Envelope) -> Submission:
    refuse_too_many(len(stored_events))
    builder = RowBuilder(envelope)
    expected: dict[str, int] = {}
    counts: dict[str, int] = {}
    events = []
    for stored in stored_events:
        stream_id = str(stored.originator_id)
        first = expected.setdefault(stream_id, stored.originator_version - 1)
        counts[stream_id] = counts.get(stream_id, 0) + 1
        if stored.originator_version != first + counts[stream_id]:
            raise IntegrityError(f"{stream_id} jumps to version {stored.originator_version}")
        resource_type, resource_id = getattr(stored, "resource", ("stream", stream_id))
        version, topic, state = stored.originator_version, stored.topic, stored.state
        events.append(builder.prepared(stream_id, version, resource_type, resource_id, topic, state))
    writes = (
        Expectation(stream_id, stream_id, expected[stream_id], counts[stream_id]) for stream_id in expected
    )
    return builder.submission(writes=tuple(writes), events=tuple(events))


class LogSubscription(ListenNotifySubscription[ApplicationRecorder]):
    """Yields notifications for ever, woken by commits."""

    def __init__(self, recorder: "LogApplicationRecorder", gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._remove = recorder.store.signal.add_listener(lambda _: self._has_been_notified.set())

    def stop(self) -> None:
        """End the subscription."""
        self._remove()
        super().stop()


class LogApplicationRecorder(LogAggregateRecorder, ApplicationRecorder):
    """The whole log in the library's terms: notification id = position."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, envelope: Envelope | None = None, **_: Any
    ) -> Sequence[int] | None:
        """As for the aggregate recorder; returns the positions."""
        outcome = self._insert(stored_events, envelope)
        if outcome is None:
            return []
        return list(range(outcome.position - len(stored_events) + 1, outcome.position + 1))

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events of the log by position."""
        statement = (
            "SELECT stream_id, stream_version, topic, payload, position FROM activity_log WHERE position >= ?"
        )
        parameters: list[Any] = [(start or 0) + (not inclusive_of_start)]
        if stop is not None:
            statement += " AND position <= ?"
            parameters.append(stop)
        if topics:
            statement += f" AND topic IN ({','.join('?' * len(topics))})"
            parameters += topics
        statement += " ORDER BY position LIMIT ?"
        rows = self._connections.rows(statement, (*parameters, limit))
        return [
            Notification(UUID(stream_id), version, topic, state, position)
            for stream_id, version, topic, state, position in rows
        ]

    def max_notification_id(self) -> int | None:
        """The last position, None for an empty log."""
        return self.store.reader.last_position() or None

    def owner(self, stream_id: UUID) -> str:
        """The tenant of a stream that has events."""
        return self._connections.rows(
            "SELECT tenant FROM activity_log WHERE stream_id = ? LIMIT 1", (str(stream_id),)
        )[0][0]

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> LogSubscription:
        """Notifications after `gt`, those to come included."""
        return LogSubscription(self, gt, topics)
