"""Where the views in PostgreSQL stand for a tenant, by their rows and the relay's.

A view has everything of a partition up to its own position. If it has the last event that the relay put into
that partition, it has everything up to where the relay stands: what lies between is other partitions'.
Without a relay the views are folded from the log itself, as one partition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, select

from infrastructure.kafka.partitions import partition_of
from infrastructure.postgres.operational import relay_partition, relay_progress
from projections.engine import generations
from projections.engine.keeping import Serving
from projections.engine.projection import Projection


class Published(NamedTuple):
    """What the relay has put onto Kafka."""

    position: int
    partitions: int
    last: Mapping[int, int]
    """Partition → position of its last event."""


@dataclass(frozen=True)
class ViewStanding:
    """One view's serving generation and its partitions."""

    generation: int
    positions: Mapping[int, int]
    errors: Mapping[int, str]
    """Partitions in which it met an event that it cannot fold."""

    @property
    def error(self) -> str | None:
        """Of the first partition that has one."""
        return next(iter(self.errors.values()), None)


@dataclass(frozen=True)
class Standing:
    """All views at one moment."""

    views: Mapping[str, ViewStanding]
    published: Published | None

    @property
    def partitions(self) -> Sequence[int]:
        """The partitions that there are."""
        return range(self.published.partitions) if self.published else (0,)

    def partition(self, tenant: str) -> int:
        """Where a tenant's events lie."""
        return partition_of(tenant, self.published.partitions) if self.published else 0

    def position(self, view: str, partition: int) -> int:
        """Everything of this partition up to here is in the view; 0 for a view that nobody has folded yet."""
        found = self.views.get(view)
        if found is None:
            return 0
        own = found.positions.get(partition, 0)
        if self.published is None or own < self.published.last.get(partition, 0):
            return own
        return max(own, self.published.position)

    def lowest(self, view: str) -> int:
        """Everything of every partition up to here is in the view."""
        return min(self.position(view, partition) for partition in self.partitions)

    def of(self, view: str, tenant: str | None) -> int:
        """What the view has of a tenant; None: of all."""
        return self.lowest(view) if tenant is None else self.position(view, self.partition(tenant))

    def error(self, view: str, tenant: str | None) -> str | None:
        """Why the view does not go on for a tenant; None: for any."""
        found = self.views.get(view)
        if found is None:
            return None
        return found.error if tenant is None else found.errors.get(self.partition(tenant))

    def serving(self, tenant: str) -> dict[str, Serving]:
        """The serving generations and what they have of a tenant."""
        return {name: Serving(each.generation, self.of(name, tenant)) for name, each in self.views.items()}


def read_standing(connection: Connection, projections: Mapping[str, Projection]) -> Standing:
    """As a connection's snapshot has it. A view that serves in another version is none of ours: its tables
    are not those that this code knows.
    """
    found: dict[str, list[generations.Progress]] = {}
    for row in generations.all_progress(connection):
        known = projections.get(row.projection)
        if row.serving and known is not None and known.version == row.version:
            found.setdefault(row.projection, []).append(row)
    views = {
        name: ViewStanding(
            generation=rows[0].generation,
            positions={row.partition: row.position for row in rows},
            errors={row.partition: row.error for row in rows if row.error},
        )
        for name, rows in found.items()
    }
    return Standing(views, _published(connection))


def _published(connection: Connection) -> Published | None:
    row = connection.execute(select(relay_progress.c.position, relay_progress.c.partitions)).first()
    if row is None:
        return None
    last = connection.execute(select(relay_partition.c.partition, relay_partition.c.position))
    return Published(row.position, row.partitions, {each.partition: each.position for each in last})
