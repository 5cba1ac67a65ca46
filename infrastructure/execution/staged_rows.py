"""The rows that a run staged: read as data of somebody who lies, and written anew by the service itself.

They come as an Arrow stream without compression. Unlike a Parquet file it cannot hold more than it is long,
and nothing of it has to be decoded: what is there is looked at where it lies, and every offset is checked.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from infrastructure.execution.errors import RunOutputMalformed

COLUMNS_MAX = 1_000
BATCHES_MAX = 10_000
CELLS_MAX = 256_000_000
"""Rows times columns: those without any value take no bytes."""
_PLAIN = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_date32,
    pa.types.is_timestamp,
    pa.types.is_null,
)
_UNREADABLE = (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError, OverflowError, struct.error)
_HEADER, _COMPRESSION = 2, 3
"""Which fields of the tables `Message` and `RecordBatch` these are, in Arrow's `Message.fbs`."""


def write_rows(staged: Path, target: Path) -> None:
    """Write the staged rows to a Parquet file of the service's own. Raises RunOutputMalformed."""
    try:
        with pa.memory_map(str(staged)) as source:
            frame = _frame(source)
            frame.write_parquet(target)
    except (*_UNREADABLE, pl.exceptions.PanicException) as problem:
        told = (str(problem).splitlines() or [type(problem).__name__])[0][:300]
        raise RunOutputMalformed(f"the staged rows cannot be read: {told}") from None


def _frame(source: pa.MemoryMappedFile) -> pl.DataFrame:
    messages = pa.ipc.MessageReader.open_stream(source)
    schema = _schema(messages)
    batches = list(_batches(messages, schema))
    frame = pl.from_arrow(pa.Table.from_batches(batches, schema))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _schema(messages: pa.ipc.MessageReader) -> pa.Schema:
    """Plain columns only: what refers to other rows, or to code, is not read."""
    first = next(iter(messages), None)
    if first is None or first.type != "schema":
        raise RunOutputMalformed("the staged rows are no Arrow stream")
    schema = pa.ipc.read_schema(first)
    if len(schema) > COLUMNS_MAX or len(set(schema.names)) < len(schema):
        raise RunOutputMalformed(f"the staged rows have over {COLUMNS_MAX} columns, or two of one name")
    for field in schema:
        if pa.types.is_timestamp(field.type) and not (field.type.tz or "UTC").isascii():
            raise RunOutputMalformed(f"the staged column {field.name[:100]!r} has a time zone that is none")
        if not any(is_one(field.type) for is_one in _PLAIN):
            raise RunOutputMalformed(f"the staged column {field.name[:100]!r} holds {str(field.type)[:100]}")
    return schema.remove_metadata()


def _batches(messages: pa.ipc.MessageReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    cells = 0
    for count, message in enumerate(messages):
        if count >= BATCHES_MAX or message.type != "record batch":
            raise RunOutputMalformed(
                f"the staged rows are more than {BATCHES_MAX} batches, or not batches alone"
            )
        if _is_compressed(message.metadata.to_pybytes()):
            raise RunOutputMalformed("the staged rows are compressed")
        batch = pa.ipc.read_record_batch(message, schema)
        cells += batch.num_rows * len(schema)
        if cells > CELLS_MAX:
            raise RunOutputMalformed(f"the staged rows are more than {CELLS_MAX} cells")
        batch.validate(full=True)
        yield batch


def _is_compressed(message: bytes) -> bool:
    """Whether the buffers of a record batch are, by the flatbuffer that describes it."""
    (root,) = struct.unpack_from("<I", message)
    header = _field(message, root, _HEADER)
    if header is None:
        raise ValueError("a batch without a header")
    (below,) = struct.unpack_from("<I", message, header)
    return _field(message, header + below, _COMPRESSION) is not None


def _field(content: bytes, table: int, number: int) -> int | None:
    """Where a field of a table lies; None where the table does not have it."""
    (back,) = struct.unpack_from("<i", content, table)
    fields = table - back
    if fields < 0:
        raise ValueError("a table before its beginning")
    (length,) = struct.unpack_from("<H", content, fields)
    place = 4 + 2 * number
    (offset,) = struct.unpack_from("<H", content, fields + place) if place < length else (0,)
    return table + offset if offset else None
