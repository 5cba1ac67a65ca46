"""Checks that the log is whole, and one hash over all of it."""

import hashlib
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from domain.shared.ids import event_id
from infrastructure.activity_log.dialect import ReadConnections
from infrastructure.activity_log.payload import Decoder
from infrastructure.activity_log.reading import SELECT
from infrastructure.activity_log.record import record_of

_ALL = f"{SELECT} ORDER BY position"
_HEAD = "SELECT position, recorded_at_us FROM log_head"


class LogProblem(msgspec.Struct, frozen=True):
    """The first place where the log is not what it must be."""

    position: int
    detail: str


class LogVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify` found."""

    events: int
    """Events that were read up to the first problem, or all."""
    log_hash: str | None
    """SHA-256 over the records of all events, in hexadecimal; None if there is a problem."""
    problem: LogProblem | None

    @property
    def ok(self) -> bool:
        """The log is whole."""
        return self.problem is None


def log_hash(connections: ReadConnections) -> str:
    """SHA-256 over the records of all events in order, in hexadecimal: equal logs have equal hashes."""
    digest = hashlib.sha256()
    with connections.snapshot() as snapshot:
        for row in snapshot.stream(_ALL):
            digest.update(record_of(row))
    return digest.hexdigest()


def verify(connections: ReadConnections, decoder: Decoder) -> LogVerdict:
    """Positions 1..N, streams dense from 1, times monotone, ids and payloads of their form, head = last."""
    with connections.snapshot() as snapshot:
        check = _Check(decoder)
        problem = check.run(snapshot.stream(_ALL))
        if problem is None:
            problem = check.against_head(snapshot.rows(_HEAD))
    return LogVerdict(
        events=check.count, log_hash=None if problem else check.digest.hexdigest(), problem=problem
    )


class _Check:
    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._streams: dict[str, tuple[int, str]] = {}
        self._last_us = 0
        self.count = 0
        self.digest = hashlib.sha256()

    def run(self, rows: Iterable[Any]) -> LogProblem | None:
        for row in rows:
            detail = self._detail(row)
            if detail:
                return LogProblem(min(row[0], self.count + 1), detail)
            self.count += 1
            self._streams[row[3]] = (row[4], row[2])
            self._last_us = row[17]
            self.digest.update(record_of(row))
        return None

    def _detail(self, row: Any) -> str | None:
        position, stream_id, version, tenant = row[0], row[3], row[4], row[2]
        stands_at, owner = self._streams.get(stream_id, (0, tenant))
        if position != self.count + 1:
            return f"after position {self.count} comes {position}"
        if version != stands_at + 1:
            return f"stream {stream_id} goes from version {stands_at} to {version}"
        if owner != tenant:
            return f"stream {stream_id} belongs to another tenant"
        if row[17] < self._last_us:
            return "the recorded time runs backwards"
        return self._identity(row) or self._payload(row)

    def _identity(self, row: Any) -> str | None:
        try:
            right = row[1] == str(event_id(row[2], UUID(row[12]), row[13]))
        except ValueError:
            right = False
        return None if right else "the event id does not follow from tenant, command id and ordinal"

    def _payload(self, row: Any) -> str | None:
        try:
            event = self._decoder.decode(row[7], row[18])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return f"the payload is not of the form {row[7]}: {error}"
        if event is not None and event.topic() == row[7] and event.resource() != (row[5], row[6]):
            return f"the payload is about {':'.join(event.resource())}, not {row[5]}:{row[6]}"
        return None

    def against_head(self, head: Any) -> LogProblem | None:
        if head and head[0][0] == self.count and head[0][1] == self._last_us:
            return None
        found = head[0][0] if head else "missing"
        return LogProblem(self.count + 1, f"the log ends at position {self.count}, its head is {found}")
