"""Rebuild and verification of views that other processes fold: from the log, beside them, without a pause.

First a new generation is filled from the log up to where the live views surely are. Then a snapshot says
where each partition of each view stands; the copy is folded to exactly there, what other partitions' events
lie beyond is put off, and the two are compared. For a swap the copy is brought to the log's head, the live
rows are locked, and the copy takes their place if it is not behind any of them. Consumers that wait at the
lock find themselves fenced and go on with the new generation.
"""

import logging
import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import Connection, select, update

from application.ports import ActivityLog
from domain.shared.activity import RecordedEvent
from infrastructure.postgres.turns import Turn
from infrastructure.views.postgres import PostgresViews
from infrastructure.views.standing import Standing, read_standing
from projections.engine import generations
from projections.engine.collection import uncollected
from projections.engine.errors import ViewBeingRebuilt, ViewStopped, ViewUnknown
from projections.engine.generations import Generation
from projections.engine.projection import Projection
from projections.engine.rebuild import RebuildReport
from projections.engine.state_hash import StateHash, state_hash
from projections.engine.writer import ViewWriter

TURN = "rebuild"
PAGE_SIZE = 10_000
PUT_OFF_MAX = 200_000
"""So many events may lie between the partitions of a live view for it to be compared."""
_TRIES = 50
_LOCK_S = 2
_logger = logging.getLogger(__name__)


class Rebuilding:
    """One rebuild or verification of some views."""

    def __init__(
        self,
        database_url: str,
        store: PostgresViews,
        log: ActivityLog,
        projections: Mapping[str, Projection],
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._url = database_url
        self._store = store
        self._log = log
        self._projections = projections
        self._page_size = page_size
        self._owner = f"rebuild:{uuid4().hex}"

    def rebuild(self, names: Sequence[str] = ()) -> tuple[RebuildReport, ...]:
        """Fold the named views (default: all) afresh and let them serve.

        Raises ViewUnknown, ViewStopped, ViewBeingRebuilt.
        """
        return self._beside(names, self._swap)

    def verify(self, names: Sequence[str] = ()) -> tuple[RebuildReport, ...]:
        """Fold the named views (default: all) afresh, compare with the live ones, throw the copies away."""
        return self._beside(names, lambda _copies: None)

    def _beside(
        self, names: Sequence[str], finish: Callable[[Mapping[str, "_Copy"]], None]
    ) -> tuple[RebuildReport, ...]:
        unknown = sorted(set(names) - set(self._projections))
        if unknown:
            raise ViewUnknown(f"{unknown[0]!r} is not a view", names=sorted(self._projections))
        began = time.perf_counter()
        with Turn(self._url, TURN) as turn:
            if not turn.take():
                raise ViewBeingRebuilt("another rebuild or verification has the views")
            with self._copies(names or tuple(self._projections)) as copies:
                with self._store.read() as connection:
                    lowest = min(read_standing(connection, self._projections).lowest(name) for name in copies)
                self._fill(copies.values(), lowest)
                self._index(copies.values())
                formers, position = self._compared(copies)
                rebuilt = {name: self._hash(copy.generation, position) for name, copy in copies.items()}
                finish(copies)
        seconds = time.perf_counter() - began
        return tuple(
            RebuildReport(
                projection=name,
                position=position,
                events=position,
                seconds=seconds,
                rebuilt=rebuilt[name],
                former=formers[name],
            )
            for name in copies
        )

    def _index(self, copies: Iterable["_Copy"]) -> None:
        """A whole index costs less than one that grows row by row."""
        for copy in copies:
            with self._store.write() as connection:
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                generations.create_indexes(connection, copy.generation)

    @contextmanager
    def _copies(self, names: Sequence[str]) -> Generator[dict[str, "_Copy"]]:
        copies = {name: self._copy(name) for name in names}
        try:
            yield copies
        finally:
            for copy in copies.values():
                copy.writer.close()
                if not copy.serves:
                    with self._store.arrange() as connection:
                        generations.drop(connection, copy.generation)

    def _copy(self, name: str) -> "_Copy":
        with self._store.arrange() as connection:
            generations.create_progress(connection)
            stored = [row for row in generations.all_progress(connection) if row.projection == name]
            _drop_leftovers(connection, self._projections[name], stored)
            number = max((row.generation for row in stored), default=0) + 1
            made = generations.generation(self._projections[name], number)
            generations.create(connection, made, self._owner, serving=False, indexed=False)
        return _Copy(made, ViewWriter(self._store, made, self._owner, 0))

    def _fill(self, copies: Collection["_Copy"], until: int) -> None:
        """Fold all tenants' events up to a position. While one copy waits for the server another is folded,
        and the next page is read.
        """
        for copy in copies:
            copy.fold_put_off()
        done = min((copy.writer.position for copy in copies), default=until)
        with ThreadPoolExecutor(1 + len(copies)) as pool, uncollected():
            ahead = pool.submit(self._page, done, until)
            while done < until:
                page = ahead.result()
                done = page[-1].position
                ahead = pool.submit(self._page, done, until)
                for folded in [pool.submit(copy.fold, page) for copy in copies]:
                    folded.result()

    def _compared(self, copies: Mapping[str, "_Copy"]) -> tuple[dict[str, StateHash | None], int]:
        """The live views' hashes at one snapshot, with the copies folded to exactly there."""
        with self._store.read() as snapshot:
            standing = read_standing(snapshot, self._projections)
            furthest = max(standing.position(name, part) for name in copies for part in standing.partitions)
            done = min(copy.writer.position for copy in copies.values())
            while done < furthest:
                page = self._page(done, furthest)
                with uncollected():
                    for name, copy in copies.items():
                        copy.fold_as_live(page, name, standing)
                done = page[-1].position
            hashes = {
                name: self._live_hash(snapshot, standing, name, furthest) if copy.is_comparable else None
                for name, copy in copies.items()
            }
        return hashes, furthest

    def _live_hash(
        self, snapshot: Connection, standing: Standing, name: str, position: int
    ) -> StateHash | None:
        view = standing.views.get(name)
        if view is None or view.error:
            return None
        return state_hash(
            snapshot, generations.generation(self._projections[name], view.generation), position
        )

    def _hash(self, of: Generation, position: int) -> StateHash:
        with self._store.read() as connection:
            return state_hash(connection, of, position)

    def _swap(self, copies: Mapping[str, "_Copy"]) -> None:
        formers: list[Generation] = []
        self._fill(copies.values(), self._log.head())
        try:
            for name, copy in copies.items():
                formers += self._put_in_place(name, copy)
        finally:
            if formers:
                self._store.tell()
                self._store.wait_until_unread()
            for former in formers:
                self._drop(former)

    def _drop(self, former: Generation) -> None:
        """Nobody waits behind a table that a backup, say, still holds: then the next rebuild drops it."""
        try:
            with self._store.arrange() as connection:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_S}s'")
                generations.drop(connection, former)
        except self._store.away as error:
            name = former.projection.name
            _logger.warning("generation %d of %s is left for now: %s", former.number, name, error)

    def _put_in_place(self, name: str, copy: "_Copy") -> list[Generation]:
        for _ in range(_TRIES):
            self._fill([copy], self._log.head())
            formers = self._take_place(name, copy)
            if formers is not None:
                return formers
        raise ViewStopped(f"{name} moves faster than it can be rebuilt", projection=name)

    def _take_place(self, name: str, copy: "_Copy") -> list[Generation] | None:
        """Let the copy serve; None if a partition of the live view has come further.

        Each partition stays with its owner. What served before is left to the rebuild, to be dropped by it
        or, if it dies, by the next.
        """
        progress, reached = generations.progress, copy.writer.position
        mine = (progress.c.projection == name, progress.c.serving == 1)
        with self._store.arrange() as connection:
            locking = select(progress).where(*mine).order_by(progress.c.partition).with_for_update()
            live = connection.execute(locking).all()
            if any(row.position > reached for row in live):
                return None
            standing = read_standing(connection, self._projections)
            held = {row.partition: row for row in live}
            connection.execute(update(progress).where(*mine).values(serving=0, owner=self._owner))
            generations.drop_progress(connection, copy.generation)
            for partition in sorted({*held, *standing.partitions}):
                row = held.get(partition)
                generations.add_partition(
                    connection,
                    copy.generation,
                    row.owner if row else self._owner,
                    partition,
                    serving=True,
                    position=reached,
                    kafka_offset=row.kafka_offset if row else None,
                )
            copy.serves = True
        return [generations.generation(self._projections[name], n) for n in {row.generation for row in live}]

    def _page(self, after: int, until: int) -> Sequence[RecordedEvent]:
        if after >= until:
            return ()
        return self._log.read(after, min(self._page_size, until - after))


class _Copy:
    """A generation that is being filled."""

    def __init__(self, generation: Generation, writer: ViewWriter) -> None:
        self.generation = generation
        self.writer = writer
        self.serves = False
        self.is_comparable = True
        self._put_off: list[RecordedEvent] = []

    def fold(self, page: Sequence[RecordedEvent]) -> None:
        """Fold a page of the log."""
        self.writer.apply(page)
        self._check()

    def fold_as_live(self, page: Sequence[RecordedEvent], name: str, standing: Standing) -> None:
        """Fold what the live view has of a page, and keep the rest for later."""
        page = [each for each in page if each.position > self.writer.position]
        if not page:
            return
        if not self.is_comparable:
            self.fold(page)
            return
        has = {part: standing.position(name, part) for part in standing.partitions}
        now: list[RecordedEvent] = []
        for each in page:
            is_there = each.position <= has[standing.partition(each.tenant)]
            (now if is_there else self._put_off).append(each)
        self.writer.apply(now, reached=page[-1].position)
        self._check()
        if len(self._put_off) > PUT_OFF_MAX:
            self.is_comparable = False
            self.fold_put_off()

    def fold_put_off(self) -> None:
        """Fold what was kept for later: tenants do not know each other, so their events may come late."""
        if self._put_off:
            events, self._put_off = self._put_off, []
            self.writer.apply(events, reached=self.writer.position)
            self._check()

    def _check(self) -> None:
        if self.writer.is_stopped:
            name = self.generation.projection.name
            raise ViewStopped(f"{name} cannot be rebuilt: {self.writer.error}", projection=name)


def _drop_leftovers(
    connection: Connection, projection: Projection, stored: Sequence[generations.Progress]
) -> None:
    """What an earlier rebuild left that did not come to its end."""
    for number in {row.generation for row in stored if not row.serving and row.owner.startswith("rebuild:")}:
        generations.drop(connection, generations.generation(projection, number))
