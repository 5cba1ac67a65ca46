"""The projector: keeps every view up with the log, and lets readers wait for a position."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from application.ports import ActivityLog
from application.views import ProjectionStatus
from domain.shared.activity import RecordedEvent
from domain.shared.errors import ProjectionBehind
from projections.engine import generations
from projections.engine.collection import uncollected
from projections.engine.errors import ViewUnknown
from projections.engine.generations import Progress
from projections.engine.keeping import Serving
from projections.engine.projection import Projection
from projections.engine.store import ViewStore
from projections.engine.writer import Page, ViewWriter, apply_together, no_failpoint

PAGE_SIZE = 2_000
_LISTEN_S = 0.25
"""How long one wait for the log lasts; a stop takes at most as long."""
_GATHER_S = 0.01
"""How long a view may lag behind a busy log while nobody waits for it."""


class Projector:
    """Owns the serving generation of each projection and folds new events into all of them.

    The log is read once a page for all views. A view that stops does not hold the others up.
    """

    def __init__(
        self,
        log: ActivityLog,
        store: ViewStore,
        projections: Sequence[Projection],
        *,
        owner: str,
        page_size: int = PAGE_SIZE,
        hit: Callable[[str], None] = no_failpoint,
    ) -> None:
        self.log = log
        self.store = store
        self.projections: Mapping[str, Projection] = {each.name: each for each in projections}
        self.owner = owner
        self.page_size = page_size
        self.hit = hit
        self.turn = threading.RLock()
        """Held while a page is folded; whoever swaps generations holds it too."""
        self.failure: BaseException | None = None
        """What ended the thread, if something did."""
        self._moved = threading.Condition()
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        self._folded_at = 0.0
        self._thread: threading.Thread | None = None
        self.writers = self._take_over()

    # --- life ---

    def start(self) -> None:
        """Follow the log in a thread of its own."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._follow, name="projector", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the page in hand."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Stop and give all look-up connections back."""
        self.stop()
        for writer in self.writers.values():
            writer.close()

    def wake(self) -> None:
        """Fold what is new in the caller's thread, unless another thread is doing so."""
        if self.turn.acquire(blocking=False):
            try:
                self.catch_up()
            finally:
                self.turn.release()

    def catch_up(self) -> None:
        """Fold up to the head that the log had at the call."""
        head = self.log.head()
        while self.seen < head:
            self._fold_page()

    @property
    def seen(self) -> int:
        """The position up to which no running view has anything left to fold."""
        positions = [writer.position for writer in self.writers.values() if not writer.is_stopped]
        return min(positions, default=1 << 62)

    def _follow(self) -> None:
        try:
            while not self._stopping.is_set():
                seen = self.seen
                if self.log.wait_beyond(min(seen, self.log.head()), _LISTEN_S) > seen:
                    self._gather()
                    self._fold_page()
        except BaseException as failure:
            self.failure = failure
            with self._moved:
                self._moved.notify_all()
            raise

    def _gather(self) -> None:
        """Let a busy log bring more: a page of many costs little more than of one. Not if someone waits."""
        if time.monotonic() - self._folded_at < _GATHER_S:
            self._wanted.wait(_GATHER_S)
        self._wanted.clear()

    def _fold_page(self) -> None:
        with self.turn, uncollected():
            page = self.log.read(self.seen, self.page_size)
            self.apply(page)
        self._folded_at = time.monotonic()

    def apply(self, page: Sequence[RecordedEvent]) -> None:
        """Fold one page into every running view and tell those who wait."""
        apply_together(self.store, [Page(writer, page) for writer in self.writers.values()], self.hit)
        with self._moved:
            self._moved.notify_all()

    # --- waiting ---

    def has(self, names: Sequence[str], position: int, tenant: str) -> bool:  # noqa: ARG002 - one partition
        """Whether these views have a position."""
        return all(self.writers[name].position >= position for name in names)

    def serving(self, connection: generations.Connection, tenant: str) -> Mapping[str, Serving]:  # noqa: ARG002
        """The serving generations as a connection's snapshot has them."""
        stored = generations.all_progress(connection)
        return {each.projection: Serving(each.generation, each.position) for each in stored if each.serving}

    def wait_for(
        self,
        projection: str,
        position: int,
        timeout_s: float,
        tenant: str | None = None,  # noqa: ARG002
    ) -> None:
        """Wait until a view has a position; raises ProjectionBehind after `timeout_s` or when it stopped."""
        self._known(projection)

        def is_decided() -> bool:
            writer = self.writers[projection]
            return writer.position >= position or writer.is_stopped or self.failure is not None

        if not is_decided():
            self._wanted.set()
        with self._moved:
            self._moved.wait_for(is_decided, timeout_s)
        writer = self.writers[projection]
        if writer.position < position:
            cause = writer.error or (repr(self.failure) if self.failure else f"waited {timeout_s:g} s")
            raise ProjectionBehind(
                f"{projection} stands at {writer.position}, not yet at {position}: {cause}",
                projection=projection,
                position=writer.position,
            )

    def wait(self, position: int, timeout_s: float, tenant: str | None = None) -> None:  # noqa: ARG002
        """Wait until every view has a position; raises ProjectionBehind."""
        deadline = time.monotonic() + timeout_s
        for name in self.projections:
            self.wait_for(name, position, max(0.0, deadline - time.monotonic()))

    def status(self) -> tuple[ProjectionStatus, ...]:
        """Where each view stands."""
        head = self.log.head()
        return tuple(
            ProjectionStatus(
                name=name,
                version=self.projections[name].version,
                generation=writer.generation.number,
                position=writer.position,
                head=head,
                status="stopped" if writer.is_stopped or self.failure else "running",
                error=writer.error or (repr(self.failure) if self.failure else None),
            )
            for name, writer in self.writers.items()
        )

    def _known(self, name: str) -> Projection:
        found = self.projections.get(name)
        if found is None:
            raise ViewUnknown(f"{name!r} is not a view", names=sorted(self.projections))
        return found

    # --- generations ---

    def _take_over(self) -> dict[str, ViewWriter]:
        with self.store.arrange() as connection:
            generations.create_progress(connection)
            stored = generations.all_progress(connection)
            taken = {name: self._serving(connection, name, stored) for name in self.projections}
        return {
            name: ViewWriter(self.store, generation, self.owner, position, self.hit)
            for name, (generation, position) in taken.items()
        }

    def _serving(
        self, connection: generations.Connection, name: str, stored: Sequence[Progress]
    ) -> tuple[generations.Generation, int]:
        """The serving generation, made anew where the tables are of another version; leftovers of rebuilds
        go.
        """
        projection, serving = self.projections[name], None
        mine = [each for each in stored if each.projection == name]
        for each in mine:
            found = generations.generation(projection, each.generation)
            if each.serving and each.version == projection.version:
                serving = found
            else:
                generations.drop(connection, found)
        if serving is not None:
            return serving, generations.take_over(connection, serving, self.owner).position
        number = max((each.generation for each in mine), default=0) + 1
        made = generations.generation(projection, number)
        generations.create(connection, made, self.owner, serving=True)
        return made, 0
