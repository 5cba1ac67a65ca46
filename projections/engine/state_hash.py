"""The state hash of a view: equal states give equal hashes, whatever pages, order of writing or machine
made them.
"""

import hashlib

import msgspec
from sqlalchemy import Connection, select

from projections.engine.generations import Generation, StoredRelation

_encode = msgspec.msgpack.Encoder().encode
_CHUNK = 2_000


class TableHash(msgspec.Struct, frozen=True):
    """Rows of one table and the SHA-256 over them in the order of the primary key."""

    rows: int
    sha256: str


class StateHash(msgspec.Struct, frozen=True):
    """The hash of each table of a view, and one over all."""

    projection: str
    position: int
    tables: dict[str, TableHash]
    sha256: str


def state_hash(connection: Connection, of: Generation, position: int) -> StateHash:
    """Hash the tables of a generation within the connection's snapshot; `position` is part of the state."""
    tables = {name: _table_hash(connection, stored) for name, stored in sorted(of.stored.items())}
    summary = [position, [[name, each.rows, each.sha256] for name, each in tables.items()]]
    return StateHash(of.projection.name, position, tables, hashlib.sha256(_encode(summary)).hexdigest())


def _table_hash(connection: Connection, stored: StoredRelation) -> TableHash:
    columns = [stored.table.c[name] for name in stored.relation.columns]
    order = [stored.table.c[name] for name in stored.relation.primary_key]
    digest, rows = hashlib.sha256(), 0
    result = connection.execution_options(yield_per=_CHUNK).execute(select(*columns).order_by(*order))
    for chunk in result.partitions():
        rows += len(chunk)
        digest.update(b"".join(_encode(tuple(row)) for row in chunk))
    return TableHash(rows, digest.hexdigest())
