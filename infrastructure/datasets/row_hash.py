"""The hash of a version's rows: the same whatever files they lie in, and extended by what a version adds.

row_hash(v) = SHA-256(row_hash(parent) or 32 zero bytes, then SHA-256 of v's own rows).
Own rows are taken in `seq` order, column by column: entity, date, knowledge_date, seq, op, then the declared
columns. Each column is `name:type` as text (types as in a declaration), one byte a row (1: there is a value),
then the values: numbers, booleans, days and microseconds as little-endian of their width with 0 for null,
text as 4-byte lengths followed by all UTF-8 bytes. Every text and column is preceded by its length in 8
bytes, so no two contents give the same bytes.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import polars as pl
import pyarrow as pa

from infrastructure.datasets.frames import ROW_MODEL, TYPES

NOTHING = "0" * 64
_TYPE_NAMES = {kind: name for name, kind in TYPES.items()}
"""The declaration's own names: what a library prints may change."""


def extended(parent: str | None, own_rows: pl.DataFrame) -> str:
    """The hash of a version that adds `own_rows` (row model and declared columns, in any order) to its
    parent's rows.
    """
    own = hashlib.sha256()
    for part in _parts(own_rows.sort("seq")):
        own.update(len(part).to_bytes(8, "little"))
        own.update(part)
    return hashlib.sha256(bytes.fromhex(parent or NOTHING) + own.digest()).hexdigest()


def _parts(rows: pl.DataFrame) -> Iterable[bytes | memoryview]:
    names = [*ROW_MODEL, *(name for name in rows.columns if name not in ROW_MODEL)]
    for name in names:
        column = rows[name]
        yield f"{name}:{_TYPE_NAMES[column.dtype]}".encode()
        yield column.is_not_null().to_numpy().astype(np.uint8).tobytes()
        yield from _text_parts(column) if column.dtype == pl.String() else [_number_part(column)]


def _text_parts(column: pl.Series) -> Iterable[bytes | memoryview]:
    text = column.fill_null("").rechunk()
    yield text.str.len_bytes().to_numpy().astype("<u4").tobytes()
    packed = text.to_arrow(compat_level=pl.CompatLevel.oldest())
    assert isinstance(packed, pa.LargeStringArray)
    _, offsets, data = packed.buffers()
    if data is None or offsets is None:
        yield b""
        return
    ends = np.frombuffer(offsets, dtype=np.int64)[packed.offset : packed.offset + len(packed) + 1]
    yield memoryview(data)[ends[0] : ends[-1]]


def _number_part(column: pl.Series) -> bytes:
    if column.dtype == pl.Boolean():
        return column.fill_null(value=False).to_numpy().astype(np.uint8).tobytes()
    values = column.to_physical().fill_null(0).to_numpy()
    return values.astype(values.dtype.newbyteorder("<")).tobytes()
