"""The views as a service has them: SQLite storage, the projector, and the answers to all queries."""

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from application.ports import ActivityLog
from application.queries import Queries
from application.views import ProjectionStatus
from infrastructure.failpoints import hit as failpoint
from infrastructure.views.lookups import ViewLookups
from infrastructure.views.queries import ViewQueries
from infrastructure.views.sqlite import SqliteViews
from projections import activity, datasets, lineage, registry, runs
from projections.engine import rebuild as rebuilding
from projections.engine.projection import Projection
from projections.engine.projector import PAGE_SIZE, Projector
from projections.engine.rebuild import RebuildReport
from projections.engine.state_hash import StateHash, state_hash

PROJECTIONS: tuple[Projection, ...] = (
    registry.PROJECTION,
    runs.PROJECTION,
    datasets.PROJECTION,
    lineage.PROJECTION,
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
        return rebuilding.rebuild(self.projector, names)

    def verify(self, names: Sequence[str] = ()) -> tuple[RebuildReport, ...]:
        """Fold views (default all) afresh and compare with the live ones; raises ViewUnknown, ViewStopped."""
        return rebuilding.verify(self.projector, names)

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
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    return Views(Projector(log, SqliteViews(path), PROJECTIONS, owner=owner, page_size=page_size, hit=hit))
