"""Export and import: one JSON line an event, every column exactly; an import reproduces the same rows."""

from collections.abc import Iterable, Iterator
from typing import TextIO
from uuid import UUID

import msgspec

from domain.shared.ids import event_id
from infrastructure.activity_log.dialect import ReadConnections
from infrastructure.activity_log.errors import LogBytesUnreadable, LogLineRefused
from infrastructure.activity_log.reading import SELECT
from infrastructure.activity_log.record import Row
from infrastructure.activity_log.schema import COLUMNS


class ExportLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row as JSON: the columns in declared order, the hash in hexadecimal, the payload as its text."""

    position: int
    event_id: str
    tenant: str
    stream_id: str
    stream_version: int
    resource_type: str
    resource_id: str
    topic: str
    actor: str
    auth_method: str
    on_behalf_of: str | None
    reason: str | None
    command_id: str
    ordinal: int
    body_hash: str
    correlation_id: str
    causation_id: str | None
    recorded_at_us: int
    payload: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ExportLine).decode
_HASH, _PAYLOAD = COLUMNS.index("body_hash"), COLUMNS.index("payload")


def line_of(row: Row) -> str:
    """One line, without its end. Raises LogBytesUnreadable."""
    values = dict(zip(COLUMNS, row, strict=True))
    body_hash, payload = row[_HASH], row[_PAYLOAD]
    try:
        values.update(body_hash=body_hash.hex(), payload=payload.decode())
        return _encode(values).decode()
    except UnicodeDecodeError as error:
        raise LogBytesUnreadable(f"position {row[0]}: {error}", position=row[0]) from error


def row_of(line: str | bytes) -> Row:
    """The row of a line. Raises ValueError (msgspec's errors included) with what is wrong."""
    parsed = _decode(line)
    values = {name: getattr(parsed, name) for name in COLUMNS}
    values.update(body_hash=bytes.fromhex(parsed.body_hash), payload=parsed.payload.encode())
    return tuple(values.values())


def export_to(connections: ReadConnections, target: TextIO) -> int:
    """Write the whole log as it stands now; returns the number of events. Raises LogBytesUnreadable."""
    count = 0
    with connections.snapshot() as snapshot:
        for row in snapshot.stream(f"{SELECT} ORDER BY position"):
            target.write(line_of(row) + "\n")
            count += 1
    return count


def rows_of(lines: Iterable[str | bytes]) -> Iterator[Row]:
    """The rows of an export, each checked against those before; raises LogLineRefused with the line."""
    streams: dict[str, int] = {}
    former_us: int = 0
    for number, line in enumerate(lines, 1):
        try:
            row = row_of(line)
            problem = _problem(row, number, streams, former_us)
        except ValueError as error:
            raise LogLineRefused(f"line {number}: {error}", line=number) from error
        if problem:
            raise LogLineRefused(f"line {number}: {problem}", line=number)
        former_us = row[17]
        yield row


def _problem(row: Row, number: int, streams: dict[str, int], former_us: int) -> str | None:
    position, identity, tenant, stream_id, version, command_id, ordinal = (*row[:5], row[12], row[13])
    predecessor = streams.get(stream_id, 0)
    streams[stream_id] = version
    if position != number:
        return f"position {position} where {number} was due"
    if version != predecessor + 1:
        return f"stream version {version} after {predecessor}"
    if identity != str(event_id(tenant, UUID(command_id), ordinal)):
        return "the event id does not follow from tenant, command id and ordinal"
    if row[17] < former_us:
        return "the recorded time runs backwards"
    return None
