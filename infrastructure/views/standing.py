"""Where the views in PostgreSQL stand for a tenant, by their rows and the relay's.

A view has everything of a partition up to its own position. If it has the last event that the relay put into
that partition, it has everything up to where the relay stands: what lies between is other partitions'.
Without a relay the views are folded from the log itself, as one partition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

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


class _Row(NamedTuple):
    """A partition of a view, what the relay put into a partition, or the relay itself."""

    name: str
    version: int
    generation: int
    """Of the relay: how many partitions there are."""
    partition: int
    position: int
    error: str | None


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


_STANDING = f"""
SELECT projection, version, generation, partition, position, error FROM {generations.progress.name}
WHERE serving = 1
UNION ALL SELECT '{relay_partition.name}', 0, 0, partition, position, NULL FROM {relay_partition.fullname}
UNION ALL SELECT '{relay_progress.name}', 0, partitions, 0, position, NULL FROM {relay_progress.fullname}
"""  # noqa: S608  # names of our own tables
"""One statement for all of it: every read of a view begins with it."""


def read_standing(connection: Connection, projections: Mapping[str, Projection]) -> Standing:
    """As a connection's snapshot has it. A view that serves in another version is none of ours: its tables
    are not those that this code knows.
    """
    found: dict[str, list[_Row]] = {}
    for values in connection.exec_driver_sql(_STANDING):
        row = _Row(*values)
        known = projections.get(row.name)
        if known is None or known.version == row.version:
            found.setdefault(row.name, []).append(row)
    views = {
        name: ViewStanding(
            generation=rows[0].generation,
            positions={row.partition: row.position for row in rows},
            errors={row.partition: row.error for row in sorted(rows) if row.error},
        )
        for name, rows in found.items()
        if name in projections
    }
    return Standing(views, _published(found))


def _published(found: Mapping[str, Sequence[_Row]]) -> Published | None:
    if relay_progress.name not in found:
        return None
    (relay,) = found[relay_progress.name]
    last = {each.partition: each.position for each in found.get(relay_partition.name, ())}
    return Published(relay.position, relay.generation, last)
