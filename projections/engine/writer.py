"""The writer of one generation folds pages in memory; what several writers folded is committed together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from domain.shared.activity import RecordedEvent
from projections.engine import generations
from projections.engine.errors import ViewFenced
from projections.engine.generations import Connection, Generation, Move
from projections.engine.projection import Changes, Rows
from projections.engine.store import TableChanges, ViewStore


def no_failpoint(name: str) -> None:
    """Failpoints are off unless the composition root brings them."""
    del name


@dataclass(frozen=True)
class Folded:
    """What a page amounts to in one view: nothing of it is written yet."""

    writer: "ViewWriter"
    first: int
    """The position of the page's first event."""
    reached: int
    """Where the view stands when this is committed."""
    kafka_offset: int | None
    changes: Sequence[Changes]
    error: str | None = None
    """Why the view stops behind `reached`, if it does."""


class Page(NamedTuple):
    """Events for one view, and what `ViewWriter.fold` takes with them."""

    writer: "ViewWriter"
    events: Sequence[RecordedEvent]
    kafka_offset: int | None = None
    reached: int | None = None


class ViewWriter:
    """Folds pages into one generation. Not for several threads at once."""

    def __init__(
        self,
        store: ViewStore,
        into: Generation,
        owner: str,
        position: int,
        hit: Callable[[str], None] = no_failpoint,
        partition: int = 0,
    ) -> None:
        self.generation = into
        self.position = position
        self.error: str | None = None
        self.fenced: ViewFenced | None = None
        """Set where the error is that somebody else has taken over."""
        self.partition = partition
        self._store = store
        self._owner = owner
        self._hit = hit
        self._look_ups = store.look_ups()
        self._rows = self._new_rows()

    @property
    def is_stopped(self) -> bool:
        """Whether it gave up: at an event it could not fold, or fenced off."""
        return self.error is not None

    def apply(
        self, page: Sequence[RecordedEvent], kafka_offset: int | None = None, *, reached: int | None = None
    ) -> None:
        """Fold a page and commit it, as `fold` and `apply_together` do."""
        apply_together(self._store, [Page(self, page, kafka_offset, reached)], self._hit)

    def fold(
        self, page: Sequence[RecordedEvent], kafka_offset: int | None = None, *, reached: int | None = None
    ) -> Folded | None:
        """Fold the events beyond the position; None if there are none. What comes of it must be committed
        before the next page. An event that cannot be folded stops this view after the last good one.

        `kafka_offset`: where a reader of Kafka goes on after this page. `reached`: all of the page is new,
        wherever it lies, and this is the position then (a rebuild folds some tenants' events later).
        Raises what the store calls `away`.
        """
        is_new = reached or (page and page[0].position > self.position)
        events = page if is_new else [each for each in page if each.position > self.position]
        if self.is_stopped or not (events or reached):
            return None
        first = events[0].position if events else self.position
        folded = 0
        try:
            for recorded in events:
                self._fold(recorded)
                folded += 1
        except self._store.away:
            raise
        except Exception as error:
            return self._before_poison(events[:folded], events[folded], error)
        return Folded(self, first, reached or events[-1].position, kafka_offset, self._rows.take())

    def _fold(self, recorded: RecordedEvent) -> None:
        if recorded.event is not None:
            self._rows.position = recorded.position
            self.generation.projection.fold(recorded, recorded.event, self._rows)

    def _before_poison(
        self, good: Sequence[RecordedEvent], poison: RecordedEvent, error: Exception
    ) -> Folded:
        """Keep what came before the poison, and say loudly where and why this view stops."""
        self.forget()
        said = f"position {poison.position} ({poison.action}): {type(error).__name__}: {error}"
        folded = self.fold(good) or Folded(self, poison.position, self.position, None, ())
        return folded if folded.error else replace(folded, error=said)

    def move(self, folded: Folded) -> Move:
        """The move of the position that commits what was folded."""
        return Move(
            self.generation.projection.name,
            self.generation.number,
            self.partition,
            self._owner,
            self.position,
            folded.reached,
            folded.kafka_offset,
        )

    def committed(self, folded: Folded) -> None:
        """What was folded is there for good."""
        self.position = folded.reached
        self.error = folded.error

    def fence(self, fenced: ViewFenced) -> None:
        """Somebody else has taken over."""
        self.fenced = fenced
        self.error = f"{fenced.code}: {fenced.detail}"

    def stop(self, folded: Folded, error: Exception) -> None:
        """The database refuses what was folded: this view stands before the page, and says so loudly."""
        self.forget()
        self.error = f"page {folded.first}..{folded.reached}: {type(error).__name__}: {error}"
        try:
            with self._store.write() as connection:
                self.mark_stopped(connection, self.error)
        except Exception as second:
            self.error = f"{self.error}; could not be recorded: {type(second).__name__}: {second}"

    def mark_stopped(self, connection: Connection, error: str) -> None:
        """Record that this view cannot go on."""
        generations.mark_stopped(connection, self.generation, self._owner, error, self.partition)

    def forget(self) -> None:
        """Let go of every row in memory: the truth is in the database."""
        self._rows = self._new_rows()

    def _new_rows(self) -> Rows:
        find = self._look_ups.find
        stored = self.generation.stored
        return Rows(
            self.generation.projection.relations,
            lambda relation, key: find(stored[relation.name], key),
            knows_all=self.position == 0,
        )

    def close(self) -> None:
        """Give the look-up connection back."""
        self._look_ups.close()


def apply_together(
    store: ViewStore, pages: Sequence[Page], hit: Callable[[str], None] = no_failpoint
) -> Sequence[Folded]:
    """Fold pages, one a writer, and commit what comes of them with the positions in one transaction. If that
    is refused, each view gets a transaction of its own, so that only the one that it is about stops or is
    fenced off. Returns what was new.

    Raises what the store calls `away`: what was not committed may come again.
    """
    try:
        found = [each.writer.fold(each.events, each.kafka_offset, reached=each.reached) for each in pages]
        folded = [each for each in found if each is not None]
        if len(folded) <= 1 or not _are_written(store, folded, hit):
            for each in folded:
                _write_alone(store, each, hit)
    except store.away:
        for each in pages:
            each.writer.forget()
        raise
    return folded


def _are_written(store: ViewStore, folded: Sequence[Folded], hit: Callable[[str], None]) -> bool:
    try:
        _write(store, folded, hit)
    except store.away:
        raise
    except Exception:
        return False
    return True


def _write_alone(store: ViewStore, folded: Folded, hit: Callable[[str], None]) -> None:
    try:
        _write(store, [folded], hit)
    except store.away:
        raise
    except ViewFenced as fenced:
        folded.writer.fence(fenced)
    except Exception as error:
        folded.writer.stop(folded, error)


def _write(store: ViewStore, folded: Sequence[Folded], hit: Callable[[str], None]) -> None:
    hit("projection.before_begin")
    with store.write() as connection:
        generations.advance(connection, [each.writer.move(each) for each in folded])
        hit("projection.after_position")
        store.write_rows(connection, _by_table(folded))
        for each in folded:
            if each.error is not None:
                each.writer.mark_stopped(connection, each.error)
        hit("projection.before_commit")
    hit("projection.after_commit")
    for each in folded:
        each.writer.committed(each)


def _by_table(folded: Sequence[Folded]) -> list[TableChanges]:
    """Pages of several partitions fill the same tables."""
    found: dict[str, TableChanges] = {}
    for each in folded:
        for name, inserts, closes in each.changes:
            stored = each.writer.generation.stored[name]
            changes = found.setdefault(stored.table.name, TableChanges(stored, [], []))
            changes.inserts.extend(inserts)
            changes.closes.extend(closes)
    return list(found.values())
