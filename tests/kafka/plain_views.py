"""The plainest views over PostgreSQL: rows say which events were folded, progress is fenced as it must be.

They stand in for the service's views where a test is about the consumers: doubled and missing events show
row by row, whatever a fold would make of them.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, text

from domain.shared.activity import RecordedEvent
from infrastructure.kafka.partitions import PartitionPage
from infrastructure.postgres.connections import engine
from projections.engine.errors import ViewFenced

VIEWS = ("first", "second")
_TABLES = """
CREATE TABLE IF NOT EXISTS optaic_views.plain_progress (
    view text, partition int, owner text NOT NULL, position bigint NOT NULL, kafka_offset bigint,
    PRIMARY KEY (view, partition)
);
CREATE TABLE IF NOT EXISTS optaic_views.plain_folded (
    number bigserial, view text, partition int, position bigint, tenant text, owner text
);
"""
_TAKE = """
INSERT INTO optaic_views.plain_progress VALUES (:view, :partition, :owner, 0, NULL)
ON CONFLICT (view, partition) DO UPDATE SET owner = :owner RETURNING position, kafka_offset
"""
_MOVE = """
UPDATE optaic_views.plain_progress SET position = :reached, kafka_offset = :offset
WHERE view = :view AND partition = :partition AND owner = :owner AND position = :expected
"""
_FOLD = (
    "INSERT INTO optaic_views.plain_folded VALUES (DEFAULT, :view, :partition, :position, :tenant, :owner)"
)


class Standing(NamedTuple):
    """Where a partition goes on."""

    offset: int | None
    position: int


def install_plain_views(url: str) -> None:
    """Make the tables."""
    owner = engine(url, application_name="test")
    with owner.begin() as connection:
        connection.execute(text(_TABLES))
    owner.dispose()


class PlainViews:
    """`infrastructure.kafka.consumer_metrics.StatedViews`."""

    names = VIEWS

    def __init__(self, url: str) -> None:
        self.owner = uuid4().hex[:8]
        self._engine = engine(url, application_name="plain views")
        self._positions: dict[tuple[str, int], int] = {}

    def stopped(self) -> Mapping[str, str]:
        """None ever does."""
        return {}

    def assigned(self, partition: int) -> Standing:
        """Take over."""
        found: list[Standing] = []
        with self._engine.begin() as connection:
            for view in VIEWS:
                values = {"view": view, "partition": partition, "owner": self.owner}
                position, offset = connection.execute(text(_TAKE), values).one()
                self._positions[view, partition] = position
                found.append(Standing(offset, position))
        return min(found, key=lambda standing: standing.position)

    def apply(self, pages: Sequence[PartitionPage]) -> Mapping[int, ViewFenced]:
        """Each view of each partition in a transaction of its own."""
        fenced: dict[int, ViewFenced] = {}
        for page in pages:
            try:
                self._apply(*page)
            except ViewFenced as another:
                fenced[page.partition] = another
        return fenced

    def _apply(self, partition: int, events: Sequence[RecordedEvent], next_offset: int) -> None:
        for view in VIEWS:
            stands = self._positions[view, partition]
            new = [event for event in events if event.position > stands]
            if new:
                with self._engine.begin() as connection:
                    self._fold(connection, view, partition, new, next_offset)
                self._positions[view, partition] = new[-1].position

    def _fold(
        self, connection: Connection, view: str, partition: int, new: Sequence[RecordedEvent], offset: int
    ) -> None:
        common = {"view": view, "partition": partition, "owner": self.owner}
        progress = {"expected": self._positions[view, partition], "reached": new[-1].position}
        moved = connection.execute(text(_MOVE), {**common, **progress, "offset": offset})
        if moved.rowcount != 1:
            raise ViewFenced(f"{view} of {partition} is another's")
        rows = [{**common, "position": event.position, "tenant": event.tenant} for event in new]
        connection.execute(text(_FOLD), rows)

    def revoked(self, partition: int) -> None:
        """Forget."""
        for view in VIEWS:
            self._positions.pop((view, partition), None)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def folded(url: str) -> dict[str, list[tuple[int, str, int]]]:
    """View → (position, tenant, partition) of every folded event, in the order of the folding."""
    reader = engine(url, application_name="test")
    try:
        with reader.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT view, position, tenant, partition FROM optaic_views.plain_folded ORDER BY number"
                )
            ).all()
    finally:
        reader.dispose()
    return {view: [(row[1], row[2], row[3]) for row in rows if row[0] == view] for view in VIEWS}


def owners(url: str) -> dict[int, str]:
    """Partition → who owns it."""
    reader = engine(url, application_name="test")
    try:
        with reader.connect() as connection:
            rows = connection.execute(
                text("SELECT partition, owner FROM optaic_views.plain_progress WHERE view = 'first'")
            ).all()
    finally:
        reader.dispose()
    return {row[0]: row[1] for row in rows}
