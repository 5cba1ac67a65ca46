"""Generations: the table sets of a projection. One serves; another may be filled beside it and take its
place.

Progress is one row a projection, generation and partition. Whoever folds the log itself uses partition 0 and
log positions; whoever reads Kafka has a row a partition, each with the offset to go on from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.schema import CreateTable

from projections.engine.errors import ViewFenced
from projections.engine.projection import Projection
from projections.temporal import Relation

_metadata = MetaData()

_TEXT = Text().with_variant(Text(collation="C"), "postgresql")

progress = Table(
    "view_generation",
    _metadata,
    Column("projection", _TEXT, primary_key=True),
    Column("generation", BigInteger, primary_key=True, autoincrement=False),
    Column("partition", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    Column("serving", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("kafka_offset", BigInteger),
    Column("owner", _TEXT, nullable=False),
    Column("status", _TEXT, nullable=False),
    Column("error", _TEXT),
)
"""Every move of a position is fenced by position and owner. `serving`: 1 serves, 0 is filled beside it."""


class Progress(msgspec.Struct, frozen=True):
    """A row of the progress table."""

    projection: str
    generation: int
    partition: int
    version: int
    serving: int
    position: int
    kafka_offset: int | None
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


class Move(NamedTuple):
    """A position that moves, of one projection, generation and partition."""

    projection: str
    generation: int
    partition: int
    owner: str
    expected: int
    reached: int
    kafka_offset: int | None
    """None: the former one stays."""


_ADVANCE = (
    update(progress)
    .where(progress.c.projection == bindparam("of"), progress.c.generation == bindparam("number"))
    .where(progress.c.partition == bindparam("part"))
    .where(progress.c.position == bindparam("expected"), progress.c.owner == bindparam("mine"))
    .values(
        position=bindparam("reached"),
        kafka_offset=func.coalesce(bindparam("behind", type_=BigInteger), progress.c.kafka_offset),
    )
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
    """Create the progress table if it is missing. Views with progress of an older form are dropped: they are
    folds of the log, and it is there.
    """
    found = inspect(connection)
    if found.has_table(progress.name):
        names = {column["name"] for column in found.get_columns(progress.name)}
        if names != set(progress.c.keys()):
            former = MetaData()
            former.reflect(connection)
            former.drop_all(connection)
    _metadata.create_all(connection)


def all_progress(connection: Connection) -> tuple[Progress, ...]:
    """All rows of the progress table by projection, generation and partition."""
    order = (progress.c.projection, progress.c.generation, progress.c.partition)
    return tuple(Progress(*row) for row in connection.execute(select(progress).order_by(*order)))


def create(
    connection: Connection, made: Generation, owner: str, *, serving: bool, indexed: bool = True
) -> None:
    """Create empty tables of a generation and its progress, one partition at position 0."""
    create_tables(connection, made, indexed=indexed)
    add_partition(connection, made, owner, serving=serving)


def create_tables(connection: Connection, made: Generation, *, indexed: bool = True) -> None:
    """Create empty tables of a generation, whatever bears their names."""
    made.metadata.drop_all(connection)
    for table in made.metadata.sorted_tables:
        connection.execute(CreateTable(table))
    if indexed:
        create_indexes(connection, made)


def create_indexes(connection: Connection, made: Generation) -> None:
    """Create the indexes that tables were created without; those of primary keys are always there."""
    for table in made.metadata.sorted_tables:
        for index in sorted(table.indexes, key=lambda each: each.name or ""):
            index.create(connection)


def add_partition(
    connection: Connection,
    of: Generation,
    owner: str,
    partition: int = 0,
    *,
    serving: bool,
    position: int = 0,
    kafka_offset: int | None = None,
) -> None:
    """Begin the progress of a partition; a partition that has progress is an error of the caller."""
    connection.execute(
        insert(progress).values(
            projection=of.projection.name,
            generation=of.number,
            partition=partition,
            version=of.projection.version,
            serving=int(serving),
            position=position,
            kafka_offset=kafka_offset,
            owner=owner,
            status="running",
        )
    )


def drop(connection: Connection, dropped: Generation) -> None:
    """Drop a generation with its tables and progress."""
    dropped.metadata.drop_all(connection)
    drop_progress(connection, dropped)


def drop_progress(connection: Connection, of: Generation) -> None:
    """Forget where a generation stands."""
    connection.execute(delete(progress).where(*_is(of)))


def swap(connection: Connection, former: Generation, new: Generation, owner: str) -> None:
    """Let `new` serve; raises ViewFenced if this owner's generation no longer served. The former's tables
    stay for those who read them; whoever swaps has to drop them.
    """
    found = connection.execute(
        update(progress)
        .where(*_is(former), progress.c.owner == owner, progress.c.serving == 1)
        .values(serving=0)
    )
    if found.rowcount != 1:
        raise ViewFenced(f"{former.projection.name} is served by another owner or generation now")
    connection.execute(update(progress).where(*_is(new)).values(serving=1))


def take_over(connection: Connection, taken: Generation, owner: str, partition: int = 0) -> Progress:
    """Become the owner, also of a generation that had stopped; returns where it stands."""
    row = (*_is(taken), progress.c.partition == partition)
    mine = update(progress).where(*row).values(owner=owner, status="running", error=None)
    return Progress(*connection.execute(mine.returning(*progress.c)).one())


def advance(connection: Connection, moves: Sequence[Move]) -> None:
    """Move positions; raises ViewFenced unless each owner stands where its move begins. The rows are locked
    in the order of the moves.
    """
    names = ("of", "number", "part", "mine", "expected", "reached", "behind")
    found = connection.execute(_ADVANCE, [dict(zip(names, move, strict=True)) for move in moves])
    if found.rowcount != len(moves):
        first = moves[0]
        raise ViewFenced(
            f"{first.projection} has another owner or no longer stands at {first.expected}",
            projection=first.projection,
            expected=first.expected,
        )


def mark_stopped(
    connection: Connection, stopped: Generation, owner: str, error: str, partition: int = 0
) -> None:
    """Say that this generation cannot go on, and why."""
    mine = (*_is(stopped), progress.c.partition == partition, progress.c.owner == owner)
    connection.execute(update(progress).where(*mine).values(status="stopped", error=error))


def _is(of: Generation) -> tuple[Any, Any]:
    return progress.c.projection == of.projection.name, progress.c.generation == of.number
