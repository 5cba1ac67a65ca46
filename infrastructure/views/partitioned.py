"""Views that are folded a partition at a time, each event with one effect: rows, position and Kafka's offset
are committed together, by whoever owns the partition's progress rows.
"""

import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import uuid4

from infrastructure.kafka.partitions import PartitionPage
from infrastructure.views.postgres import PostgresViews
from projections.engine import generations
from projections.engine.collection import uncollected
from projections.engine.errors import ViewFenced, ViewOfLaterRelease
from projections.engine.generations import Connection, Generation, Progress
from projections.engine.projection import Projection
from projections.engine.writer import Folded, Page, ViewWriter, apply_together, no_failpoint

_LOCK_S = 6
"""How long a former owner may take: longer than the server lets a transaction be idle."""
_logger = logging.getLogger(__name__)


class Resume(NamedTuple):
    """Where a partition goes on."""

    offset: int | None
    """The next message; None: from the topic's beginning."""
    position: int
    """Everything of this partition's tenants up to here is folded into every running view."""


class PartitionedViews:
    """All views, for a process that is given partitions. Not for several threads at once."""

    def __init__(
        self,
        store: PostgresViews,
        projections: Sequence[Projection],
        hit: Callable[[str], None] = no_failpoint,
    ) -> None:
        self._store = store
        self._projections = {each.name: each for each in projections}
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._hit = hit
        self._writers: dict[int, dict[str, ViewWriter]] = {}
        with store.arrange() as connection:
            generations.create_progress(connection)

    @property
    def names(self) -> Sequence[str]:
        """Every view."""
        return tuple(self._projections)

    @property
    def away(self) -> tuple[type[Exception], ...]:
        """What says that the database does not answer: try again later."""
        return self._store.away

    def assigned(self, partition: int) -> Resume:
        """Take the partition over from whoever had it: they can write nothing to it any more."""
        self.revoked(partition)
        taken = self._store.patiently(lambda: self._take_over(partition))
        self._writers[partition] = {name: self._writer(row, partition) for name, row in taken.items()}
        return _resume(list(taken.values()))

    def _take_over(self, partition: int) -> dict[str, Progress]:
        """The progress rows of all views, which somebody may have in hand."""
        with self._store.arrange() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_S}s'")
            stored = generations.all_progress(connection)
            return {
                name: self._taken(connection, projection, partition, stored)
                for name, projection in self._projections.items()
            }

    def apply(self, pages: Sequence[PartitionPage]) -> Mapping[int, ViewFenced]:
        """Fold pages of several partitions, one of each at most, into each running view, in one transaction;
        views that have a page already leave it.

        Returns the partitions that another process has now. Raises what `away` names; of both nothing counts
        that was not committed, and the partitions have to be taken again.
        """
        held = {page.partition: page for page in pages if page.partition in self._writers}
        with uncollected():
            of_views = [
                Page(self._writers[partition][name], page.events, page.next_offset)
                for name in self._projections
                for partition, page in sorted(held.items())
            ]
            folded = apply_together(self._store, of_views, self._hit)
            fenced = self._looked_after(folded, held)
        for page in pages:
            if page.partition not in held:
                detail = f"partition {page.partition} is not held here"
                fenced[page.partition] = ViewFenced(detail, partition=page.partition)
        return fenced

    def revoked(self, partition: int) -> None:
        """Forget what is held in memory for the partition; nothing is written."""
        for writer in self._writers.pop(partition, {}).values():
            writer.close()

    def stopped(self) -> Mapping[str, str]:
        """Views that met an event they cannot fold, and what it was."""
        return {
            name: writer.error
            for writers in self._writers.values()
            for name, writer in writers.items()
            if writer.error is not None
        }

    def close(self) -> None:
        """Let go of every partition and close the connections."""
        for partition in tuple(self._writers):
            self.revoked(partition)
        self._store.close()

    def _looked_after(
        self, folded: Sequence[Folded], pages: Mapping[int, PartitionPage]
    ) -> dict[int, ViewFenced]:
        """Those that stopped: poisoned, served by another generation, or another process's with its whole
        partition.
        """
        fenced: dict[int, ViewFenced] = {}
        for writer in (each.writer for each in folded if each.writer.is_stopped):
            try:
                self._look_after(writer, pages[writer.partition])
            except ViewFenced as another:
                fenced[writer.partition] = another
        return fenced

    def _look_after(self, writer: ViewWriter, page: PartitionPage) -> None:
        """Go on with the generation that serves, if a rebuild let another take its place. Raises ViewFenced
        if another process has the partition.
        """
        name, partition = writer.generation.projection.name, writer.partition
        served = self._serving_now(name, partition)
        if served is None or served.owner != self._owner:
            raise writer.fenced or ViewFenced(f"{name} has another owner in partition {partition}")
        if served.generation != writer.generation.number:
            _logger.info("%s is served by generation %d now", name, served.generation)
            writer.close()
            writer = self._writers[partition][name] = self._writer(served, partition)
            writer.apply(page.events, page.next_offset)
        if writer.fenced is not None:
            raise writer.fenced
        if writer.is_stopped:
            _logger.error("%s stopped in partition %d: %s", name, partition, writer.error)

    def _serving_now(self, name: str, partition: int) -> Progress | None:
        """The row of the generation that serves: a rebuild elsewhere leaves it to us when it swaps."""
        with self._store.read() as connection:
            rows = generations.all_progress(connection)
        mine = (row for row in rows if (row.projection, row.partition) == (name, partition))
        return next((row for row in mine if row.serving), None)

    def _taken(
        self, connection: Connection, projection: Projection, partition: int, stored: Sequence[Progress]
    ) -> Progress:
        """The progress row of a partition in the serving generation, ours from now on; made where missing."""
        mine = [row for row in stored if row.projection == projection.name]
        serving = self._serving(connection, projection, mine)
        if all((row.generation, row.partition) != (serving.number, partition) for row in mine):
            generations.add_partition(connection, serving, self._owner, partition, serving=True)
        return generations.take_over(connection, serving, self._owner, partition)

    def _serving(
        self, connection: Connection, projection: Projection, mine: Sequence[Progress]
    ) -> Generation:
        """The generation that serves; made anew where the tables are of an earlier version of the view.

        Raises ViewOfLaterRelease.
        """
        later = next((row for row in mine if row.serving and row.version > projection.version), None)
        if later is not None:
            raise ViewOfLaterRelease(f"{projection.name} is served in version {later.version}")
        serves = next((row for row in mine if row.serving and row.version == projection.version), None)
        if serves is not None:
            return generations.generation(projection, serves.generation)
        for number in {row.generation for row in mine}:
            generations.drop(connection, generations.generation(projection, number))
        made = generations.generation(projection, max((row.generation for row in mine), default=0) + 1)
        generations.create_tables(connection, made)
        return made

    def _writer(self, row: Progress, partition: int) -> ViewWriter:
        made = generations.generation(self._projections[row.projection], row.generation)
        return ViewWriter(self._store, made, self._owner, row.position, self._hit, partition)


def _resume(rows: Sequence[Progress]) -> Resume:
    """Views go on together: from where the last of them stands."""
    offsets = [row.kafka_offset for row in rows]
    known = [offset for offset in offsets if offset is not None]
    offset = min(known) if len(known) == len(offsets) else None
    return Resume(offset, min(row.position for row in rows))
