"""The record of an event: the bytes over every column that hashes are taken of."""

import struct
from typing import Any, TypeAlias

Value: TypeAlias = int | str | bytes | None
Row: TypeAlias = tuple[Any, ...]
"""A stored row, its columns in declared order; each column has its own type (`schema.activity_log`)."""

_NULL = b"\xff\xff\xff\xff"
_length = struct.Struct(">I").pack
_integer = struct.Struct(">Iq").pack


def _field(value: Value) -> bytes:
    if value is None:
        return _NULL
    if isinstance(value, int):
        return _integer(8, value)
    data = value.encode() if isinstance(value, str) else value
    return _length(len(data)) + data


def record_of(row: Row) -> bytes:
    """For each column in declared order a 4-byte length, then the bytes; integers 8 bytes, all big-endian.

    NULL is the length 0xFFFFFFFF without bytes.
    """
    return b"".join(map(_field, row))
