"""What can be asked of a log, whether this process owns it or not."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TextIO
from uuid import UUID

from application.ports import Outcome
from domain.shared.activity import RecordedEvent, StreamKey
from infrastructure.activity_log import exchange, verification
from infrastructure.activity_log.payload import Decoder
from infrastructure.activity_log.reading import LogReader
from infrastructure.activity_log.record import Row, record_of
from infrastructure.activity_log.verification import LogVerdict


class ReadableLog:
    """Reading, export and verification over one set of read connections."""

    def __init__(self, reader: LogReader, decoder: Decoder) -> None:
        self._reader = reader
        self._decoder = decoder

    def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """The next events of the whole log, in order of position."""
        return self._reader.page(after, limit)

    def read_of_type(self, resource_type: str, after: int, limit: int) -> Sequence[RecordedEvent]:
        """The next events about one type of resource, in order; quick for `access`, a scan for others."""
        return self._reader.page_of_type(resource_type, after, limit)

    def rows(self, after: int, limit: int) -> Sequence[Row]:
        """As `read`, the stored columns in declared order (`schema.COLUMNS`)."""
        return self._reader.rows(after, limit)

    def records(self, after: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """Position and record (the bytes that hashes are taken of) of the next events."""
        return [(row[0], record_of(row)) for row in self.rows(after, limit)]

    def read_stream(self, tenant: str, stream: StreamKey) -> Sequence[RecordedEvent]:
        """All events of a stream in order."""
        return self._reader.stream(tenant, stream)

    def outcome(self, tenant: str, command_id: UUID) -> Outcome | None:
        """The first outcome of a command, if there was one."""
        return self._reader.outcome(tenant, command_id)

    def head(self) -> int:
        """The last position; 0 for an empty log."""
        return self._reader.last_position()

    def position_at(self, moment: datetime) -> int:
        """The last position recorded by then; 0 if there was none."""
        return self._reader.position_at(moment)

    def export(self, target: Path | TextIO) -> int:
        """Write the log as one JSON line an event; returns how many. Raises LogBytesUnreadable."""
        if isinstance(target, Path):
            with target.open("w", encoding="utf-8", newline="\n") as stream:
                return exchange.export_to(self._reader.connections, stream)
        return exchange.export_to(self._reader.connections, target)

    def log_hash(self) -> str:
        """SHA-256 over the records of all events, in hexadecimal: equal logs have equal hashes."""
        return verification.log_hash(self._reader.connections)

    def verify(self) -> LogVerdict:
        """Read everything and say whether the log is whole, or which position is the first that is not."""
        return verification.verify(self._reader.connections, self._decoder)
