"""The views as a service has them: their storage, who folds them, and the answers to all queries."""

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from application.ports import ActivityLog
from application.queries import Queries
from application.views import ProjectionStatus
from infrastructure.failpoints import hit as failpoint
from infrastructure.views.lookups import ViewLookups
from infrastructure.views.queries import ViewQueries
from infrastructure.views.sqlite import SqliteViews
from projections import activity, datasets, lineage, monitoring, registry, runs
from projections.engine.generations import generation
from projections.engine.projection import Projection
from projections.engine.projector import PAGE_SIZE, Projector
from projections.engine.rebuild import RebuildReport, rebuild, verify
from projections.engine.state_hash import StateHash, state_hash
from projections.engine.store import ViewStore

if TYPE_CHECKING:
    from infrastructure.views.following import ViewFollower
    from infrastructure.views.partitioned import PartitionedViews
    from infrastructure.views.rebuilding import Rebuilding

PROJECTIONS: tuple[Projection, ...] = (
    registry.PROJECTION,
    runs.PROJECTION,
    datasets.PROJECTION,
    lineage.PROJECTION,
    monitoring.PROJECTION,
    activity.PROJECTION,
)
"""Every view of the service, in the order in which a page is folded into them."""


class Views:
    """The read side: the projector that keeps it up, the queries over it, and its proofs."""

    def __init__(self, projector: Projector) -> None:
        self.projector = projector
        self.queries: Queries = ViewQueries(projector)
        self.lookups = ViewLookups(projector)

    def start(self) -> None:
        """Follow the log in a thread."""
        self.projector.start()

    def catch_up(self) -> None:
        """Fold up to the present head in this thread."""
        self.projector.catch_up()

    def wait(self, position: int, timeout_s: float) -> None:
        """Wait until every view has a position; raises ProjectionBehind."""
        self.projector.wait(position, timeout_s)

    def status(self) -> tuple[ProjectionStatus, ...]:
        """Where each view stands."""
        return self.projector.status()

    def rebuild(self, names: Sequence[str] = ()) -> tuple[RebuildReport, ...]:
        """Fold views (default: all) afresh beside the serving ones and swap; raises ViewUnknown,
        ViewStopped.
        """
        return rebuild(self.projector, names)

    def verify(self, names: Sequence[str] = ()) -> tuple[RebuildReport, ...]:
        """Fold views (default all) afresh and compare with the live ones; raises ViewUnknown, ViewStopped."""
        return verify(self.projector, names)

    def state_hashes(self) -> tuple[StateHash, ...]:
        """The state hash of each view as it stands."""
        with self.projector.turn, self.projector.store.read() as snapshot:
            return tuple(
                state_hash(snapshot, writer.generation, writer.position)
                for writer in self.projector.writers.values()
            )

    def close(self) -> None:
        """Stop the projector and close the file."""
        self.projector.close()
        self.projector.store.close()


class ViewReader:
    """The views of PostgreSQL for a process that folds nothing: queries, waiting, and proofs over the log."""

    def __init__(self, keeper: "ViewFollower", rebuilding: "Rebuilding") -> None:
        self.keeper = keeper
        self.queries: Queries = ViewQueries(keeper)
        self.lookups = ViewLookups(keeper)
        self._rebuilding = rebuilding

    @property
    def store(self) -> ViewStore:
        """Where the views are."""
        return self.keeper.store

    def wait(self, position: int, timeout_s: float) -> None:
        """Wait until every view has a position; raises ProjectionBehind."""
        self.keeper.wait(position, timeout_s)

    def status(self) -> tuple[ProjectionStatus, ...]:
        """Where each view stands."""
        return self.keeper.status()

    def rebuild(self, names: Sequence[str] = ()) -> tuple[RebuildReport, ...]:
        """Fold views (default: all) afresh beside the serving ones and swap; raises ViewUnknown,
        ViewStopped, ViewBeingRebuilt.
        """
        return self._rebuilding.rebuild(names)

    def verify(self, names: Sequence[str] = ()) -> tuple[RebuildReport, ...]:
        """Fold views (default all) afresh and compare with the live ones; raises as `rebuild`."""
        return self._rebuilding.verify(names)

    def state_hashes(self) -> tuple[StateHash, ...]:
        """The state hash of each view as it stands."""
        from infrastructure.views.standing import read_standing

        with self.store.read() as snapshot:
            standing = read_standing(snapshot, self.keeper.projections)
            return tuple(
                state_hash(
                    snapshot,
                    generation(self.keeper.projections[name], view.generation),
                    standing.lowest(name),
                )
                for name, view in standing.views.items()
            )

    def close(self) -> None:
        """Stop following and close the connections."""
        self.keeper.close()


def open_view_reader(database_url: str, log: ActivityLog) -> ViewReader:
    """The views of a database, folded by other processes."""
    from infrastructure.views.following import ViewFollower
    from infrastructure.views.postgres import PostgresViews
    from infrastructure.views.rebuilding import Rebuilding

    follower = ViewFollower(database_url, PostgresViews(database_url), log, PROJECTIONS)
    return ViewReader(follower, Rebuilding(database_url, follower.store, log, follower.projections))


def open_partitioned_views(
    database_url: str,
    *,
    projections: Sequence[Projection] = PROJECTIONS,
    hit: Callable[[str], None] = failpoint,
) -> "PartitionedViews":
    """The views of a database for a process that folds partitions of them."""
    from infrastructure.views.partitioned import PartitionedViews
    from infrastructure.views.postgres import PostgresViews

    return PartitionedViews(PostgresViews(database_url), projections, hit)


def open_views_on_postgres(
    database_url: str, log: ActivityLog, *, page_size: int = PAGE_SIZE, hit: Callable[[str], None] = failpoint
) -> Views:
    """Views in PostgreSQL that this process folds from the log itself, without Kafka."""
    from infrastructure.views.postgres import PostgresViews

    return Views(
        Projector(log, PostgresViews(database_url), PROJECTIONS, owner=_owner(), page_size=page_size, hit=hit)
    )


def open_views(
    path: Path,
    log: ActivityLog,
    *,
    page_size: int = PAGE_SIZE,
    hit: Callable[[str], None] = failpoint,
) -> Views:
    """Open (or create) the views of a log in one SQLite file and take them over from any former owner.

    Nothing is folded yet: call `start` (a thread follows the log) or `catch_up`.
    """
    return Views(Projector(log, SqliteViews(path), PROJECTIONS, owner=_owner(), page_size=page_size, hit=hit))


def _owner() -> str:
    """A name that no other projector ever had."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
