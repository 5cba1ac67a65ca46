"""Paging readers: driver statements in, recorded events out."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from uuid import UUID

import msgspec

from application.ports import Outcome
from domain.shared.activity import Actor, RecordedEvent, StreamKey
from domain.shared.times import to_micros
from infrastructure.activity_log.dialect import ReadConnections, Snapshot
from infrastructure.activity_log.outcomes import first_outcome
from infrastructure.activity_log.payload import Decoder
from infrastructure.activity_log.record import Row
from infrastructure.activity_log.schema import COLUMNS

SELECT = f"SELECT {', '.join(COLUMNS)} FROM activity_log"  # noqa: S608 (literal names)
_PAGE = f"{SELECT} WHERE position > ? ORDER BY position LIMIT ?"
_STREAM = f"{SELECT} WHERE stream_id = ? AND tenant = ? ORDER BY stream_version"
_OF_TYPE = f"{SELECT} WHERE resource_type = '%s' AND position > ? ORDER BY position LIMIT ?"
_HEAD = "SELECT position FROM log_head"
_LAST = "SELECT max(position) FROM activity_log"
_TIME = "SELECT recorded_at_us FROM activity_log WHERE position = ?"

_Ids = tuple[UUID, UUID, UUID, UUID, UUID | None]


@cache
def split_topic(topic: str) -> tuple[str, int]:
    """`training_run.completed:1` → action and schema version; a topic without a version is of version 1."""
    action, _, version = topic.rpartition(":")
    return (action, int(version)) if action and version.isdecimal() else (topic, 1)


class EventReader:
    """Turns rows into recorded events."""

    def __init__(self, decoder: Decoder) -> None:
        self._decode = decoder.decode

    def events(self, rows: Sequence[Row]) -> list[RecordedEvent]:
        """Rows with all columns in declared order → recorded events; unknown topics have `event=None`."""
        ids = msgspec.convert([(row[1], row[3], row[12], row[15], row[16]) for row in rows], list[_Ids])
        return [self._event(row, identity) for row, identity in zip(rows, ids, strict=True)]

    def _event(self, row: Row, ids: _Ids) -> RecordedEvent:
        (position, _, tenant, _, stream_version, resource_type, resource_id, topic) = row[:8]
        (principal, method, on_behalf_of, reason) = row[8:12]
        recorded_at_us, payload = row[17:]
        action, schema_version = split_topic(topic)
        return RecordedEvent(
            position=position,
            event_id=ids[0],
            tenant=tenant,
            stream_id=ids[1],
            stream_version=stream_version,
            resource_type=resource_type,
            resource_id=resource_id,
            action=action,
            schema_version=schema_version,
            actor=Actor(principal=principal, method=method, on_behalf_of=on_behalf_of),
            reason=reason,
            command_id=ids[2],
            correlation_id=ids[3],
            causation_id=ids[4],
            recorded_at_us=recorded_at_us,
            payload=payload,
            event=self._decode(topic, payload),
        )


class LogReader:
    """What can be asked of a log beside its writer."""

    def __init__(self, connections: ReadConnections, decoder: Decoder) -> None:
        self.connections = connections
        self._reader = EventReader(decoder)

    def page(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """The next events of the whole log, in order of position."""
        return self._reader.events(self.connections.rows(_PAGE, (after, limit)))

    def rows(self, after: int, limit: int) -> Sequence[Row]:
        """As `page`, the stored columns in declared order."""
        return self.connections.rows(_PAGE, (after, limit))

    def page_of_type(self, resource_type: str, after: int, limit: int) -> Sequence[RecordedEvent]:
        """The next events about one type of resource; the type must be a plain name. Raises ValueError."""
        if not resource_type.isidentifier():
            raise ValueError(f"{resource_type!r} is no type of resource")
        statement = _OF_TYPE.replace("%s", resource_type)
        return self._reader.events(self.connections.rows(statement, (after, limit)))

    def ends(self) -> tuple[int, int | None]:
        """The last position in the table and the one that the head row says, at one moment."""
        with self.connections.snapshot() as snapshot:
            head = snapshot.rows(_HEAD)
            return snapshot.rows(_LAST)[0][0] or 0, head[0][0] if head else None

    def stream(self, tenant: str, stream: StreamKey) -> Sequence[RecordedEvent]:
        """All events of a tenant's stream in order."""
        return self._reader.events(self.connections.rows(_STREAM, (str(stream.id(tenant)), tenant)))

    def outcome(self, tenant: str, command_id: UUID) -> Outcome | None:
        """The first outcome of a command, if there was one."""
        return first_outcome(self.connections.rows, tenant, str(command_id))

    def last_position(self) -> int:
        """The last position in the table."""
        return self.connections.rows(_LAST)[0][0] or 0

    def position_at(self, moment: datetime) -> int:
        """The last position recorded by then; times are monotone, so halving the log finds it."""
        wanted = to_micros(moment)
        with self.connections.snapshot() as snapshot:
            return _last_by(snapshot, wanted, snapshot.rows(_LAST)[0][0] or 0)


def _last_by(snapshot: Snapshot, wanted_us: int, last: int) -> int:
    low, high = 0, last
    while low < high:
        middle = (low + high + 1) // 2
        if snapshot.rows(_TIME, (middle,))[0][0] <= wanted_us:
            low = middle
        else:
            high = middle - 1
    return low
