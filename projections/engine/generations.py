"""Generations: the table sets of a projection. One serves; another may be filled beside it and take its
place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from projections.engine.errors import ViewFenced
from projections.engine.projection import Projection
from projections.temporal import Relation

_metadata = MetaData()

progress = Table(
    "view_generation",
    _metadata,
    Column("projection", Text, primary_key=True),
    Column("generation", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    Column("serving", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("error", Text),
)
"""Progress: one row a projection and generation. Every move of the position is fenced by position and
owner.
"""


class Progress(msgspec.Struct, frozen=True):
    """A row of the progress table."""

    projection: str
    generation: int
    version: int
    serving: int
    position: int
    owner: str
    status: str
    error: str | None


@dataclass(frozen=True)
class StoredRelation:
    """A relation and the table that holds it in one generation."""

    relation: Relation[Any]
    table: Table


@dataclass(frozen=True)
class Generation:
    """One table set of a projection."""

    projection: Projection
    number: int
    metadata: MetaData
    stored: Mapping[str, StoredRelation]

    def table(self, relation: Relation[Any]) -> Table:
        """The table of a relation in this generation."""
        return self.stored[relation.name].table


_ADVANCE = (
    update(progress)
    .where(progress.c.projection == bindparam("of"), progress.c.generation == bindparam("number"))
    .where(progress.c.position == bindparam("expected"), progress.c.owner == bindparam("mine"))
    .values(position=bindparam("reached"))
)


def generation(projection: Projection, number: int) -> Generation:
    """The tables of a generation, by their physical names."""
    metadata = MetaData()
    stored = {
        relation.name: StoredRelation(relation, relation.table(metadata, f"{relation.name}_{number}"))
        for relation in projection.relations
    }
    return Generation(projection, number, metadata, stored)


def create_progress(connection: Connection) -> None:
    """Create the progress table if it is missing."""
    _metadata.create_all(connection)


def all_progress(connection: Connection) -> tuple[Progress, ...]:
    """All rows of the progress table by projection and generation."""
    rows = connection.execute(select(progress).order_by(progress.c.projection, progress.c.generation))
    return tuple(Progress(*row) for row in rows)


def create(connection: Connection, made: Generation, owner: str, *, serving: bool) -> None:
    """Create empty tables of a generation and its progress at position 0."""
    made.metadata.create_all(connection)
    projection = made.projection
    connection.execute(
        insert(progress).values(
            projection=projection.name,
            generation=made.number,
            version=projection.version,
            serving=int(serving),
            position=0,
            owner=owner,
            status="running",
        )
    )


def drop(connection: Connection, dropped: Generation) -> None:
    """Drop a generation with its tables and progress."""
    dropped.metadata.drop_all(connection)
    connection.execute(delete(progress).where(*_is(dropped)))


def swap(connection: Connection, former: Generation, new: Generation, owner: str) -> None:
    """Let `new` serve and drop `former`; raises ViewFenced if this owner's generation no longer served."""
    found = connection.execute(
        update(progress)
        .where(*_is(former), progress.c.owner == owner, progress.c.serving == 1)
        .values(serving=0)
    )
    if found.rowcount != 1:
        raise ViewFenced(f"{former.projection.name} is served by another owner or generation now")
    connection.execute(update(progress).where(*_is(new)).values(serving=1))
    drop(connection, former)


def take_over(connection: Connection, taken: Generation, owner: str) -> int:
    """Become the owner, also of a generation that had stopped; returns its position."""
    connection.execute(update(progress).where(*_is(taken)).values(owner=owner, status="running", error=None))
    return connection.execute(select(progress.c.position).where(*_is(taken))).scalar_one()


def advance(connection: Connection, moved: Generation, owner: str, expected: int, position: int) -> None:
    """Move the position; raises ViewFenced unless this owner stands at `expected`."""
    values = {"of": moved.projection.name, "number": moved.number, "mine": owner, "expected": expected}
    found = connection.execute(_ADVANCE, {**values, "reached": position})
    if found.rowcount != 1:
        raise ViewFenced(
            f"{moved.projection.name} has another owner or no longer stands at {expected}",
            projection=moved.projection.name,
            expected=expected,
        )


def mark_stopped(connection: Connection, stopped: Generation, owner: str, error: str) -> None:
    """Say that this generation cannot go on, and why."""
    values = {"status": "stopped", "error": error}
    connection.execute(update(progress).where(*_is(stopped), progress.c.owner == owner).values(**values))


def _is(of: Generation) -> tuple[Any, Any]:
    return progress.c.projection == of.projection.name, progress.c.generation == of.number
