"""Rows as arrays of columns in PostgreSQL's binary form: what `unnest` takes, packed without the driver.

A parameter's type is then the same whatever it holds, so one prepared statement serves every batch.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

from infrastructure.activity_log.record import Row

_NULL = b"\xff\xff\xff\xff"
_head = struct.Struct("!IIIII").pack
_length = struct.Struct("!I").pack
_integer = struct.Struct("!Iq").pack
_TEXT, _BYTEA, _INTEGER = 25, 17, 20


class TextArray(bytes):
    """`text[]`."""


class BytesArray(bytes):
    """`bytea[]`."""


class IntegerArray(bytes):
    """`bigint[]`."""


def texts(values: Sequence[str | None]) -> TextArray:
    """Pack texts."""
    parts = [_head(1, 1, _TEXT, len(values), 1)] if values else [_head(0, 0, _TEXT, 0, 0)[:12]]
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            data = value.encode()
            parts += (_length(len(data)), data)
    return TextArray(b"".join(parts))


def byte_strings(values: Sequence[bytes]) -> BytesArray:
    """Pack byte strings."""
    parts = [_head(1, 0, _BYTEA, len(values), 1)]
    for value in values:
        parts += (_length(len(value)), value)
    return BytesArray(b"".join(parts))


def integers(values: Sequence[int]) -> IntegerArray:
    """Pack integers of 64 bits."""
    if not values:
        return IntegerArray(_head(0, 0, _INTEGER, 0, 0)[:12])
    return IntegerArray(
        _head(1, 0, _INTEGER, len(values), 1) + b"".join([_integer(8, value) for value in values])
    )


def columns_of(rows: Iterable[Row], kinds: Sequence[type]) -> list[bytes]:
    """One array a column; `kinds` are the columns' Python types in order."""
    pack: dict[type, Any] = {str: texts, int: integers, bytes: byte_strings}
    return [pack[kind](column) for kind, column in zip(kinds, zip(*rows, strict=True), strict=True)]


class _ReadyMade(Dumper):
    """The value is the parameter already."""

    format = Format.BINARY

    def dump(self, obj: Any) -> Buffer:
        return obj


class _TextArrayDumper(_ReadyMade):
    oid = 1009


class _BytesArrayDumper(_ReadyMade):
    oid = 1001


class _IntegerArrayDumper(_ReadyMade):
    oid = 1016


def register(connection: psycopg.Connection[Any]) -> None:
    """Teach a connection these arrays."""
    connection.adapters.register_dumper(TextArray, _TextArrayDumper)
    connection.adapters.register_dumper(BytesArray, _BytesArrayDumper)
    connection.adapters.register_dumper(IntegerArray, _IntegerArrayDumper)
