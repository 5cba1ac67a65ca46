"""The writer of one generation: folds a page in memory and commits its rows with the new position."""

from collections.abc import Callable, Sequence

from domain.shared.activity import RecordedEvent
from projections.engine import generations
from projections.engine.errors import ViewFenced
from projections.engine.generations import Generation
from projections.engine.projection import Rows
from projections.engine.store import ViewStore


def no_failpoint(name: str) -> None:
    """Failpoints are off unless the composition root brings them."""
    del name


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
        """Fold the events beyond the position and commit. An error stops this view after the last good
        event. `kafka_offset`: where a reader of Kafka goes on after this page. `reached`: all of the page is
        new, wherever it lies, and this is the position then (a rebuild folds some tenants' events later).

        Raises what the store calls `away`: nothing of the page stands, and it may come again.
        """
        events = page if reached else [each for each in page if each.position > self.position]
        if self.is_stopped or not (events or reached):
            return
        folded = 0
        try:
            for recorded in events:
                self._fold(recorded)
                folded += 1
            self._commit(reached or events[-1].position, kafka_offset)
        except ViewFenced as fenced:
            self.fenced = fenced
            self.error = f"{fenced.code}: {fenced.detail}"
        except self._store.away:
            self._rows = self._new_rows()
            raise
        except Exception as error:
            self._stop(events, folded, error)

    def _fold(self, recorded: RecordedEvent) -> None:
        if recorded.event is not None:
            self._rows.position = recorded.position
            self.generation.projection.fold(recorded, recorded.event, self._rows)

    def _commit(self, position: int, kafka_offset: int | None = None) -> None:
        changes = self._rows.take()
        self._hit("projection.before_begin")
        with self._store.write() as connection:
            generations.advance(
                connection,
                self.generation,
                self._owner,
                self.position,
                position,
                self.partition,
                kafka_offset,
            )
            self._hit("projection.after_position")
            for name, inserts, closes in changes:
                stored = self.generation.stored[name]
                if closes:
                    self._store.end(connection, stored, closes)
                if inserts:
                    self._store.insert(connection, stored, inserts)
            self._hit("projection.before_commit")
        self._hit("projection.after_commit")
        self.position = position

    def _stop(self, events: Sequence[RecordedEvent], folded: int, error: Exception) -> None:
        """Keep what came before the poison, then say loudly where and why this view stopped."""
        self._rows = self._new_rows()
        poison = events[folded] if folded < len(events) else None
        if poison is None:
            where = f"page {events[0].position}..{events[-1].position}"
        else:
            where = f"position {poison.position} ({poison.action})"
        self.error = f"{where}: {type(error).__name__}: {error}"
        try:
            if poison is not None and folded:
                for recorded in events[:folded]:
                    self._fold(recorded)
                self._commit(events[folded - 1].position)
            with self._store.write() as connection:
                generations.mark_stopped(connection, self.generation, self._owner, self.error, self.partition)
        except Exception as second:
            self.error = f"{self.error}; could not be recorded: {type(second).__name__}: {second}"

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
