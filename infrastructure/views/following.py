"""Follows views that other processes fold: one LISTEN connection, one look at the rows for all who wait."""

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
from sqlalchemy import Connection

from application.ports import ActivityLog
from application.views import ProjectionStatus
from domain.shared.errors import ProjectionBehind
from infrastructure.postgres.connections import connect_arguments, libpq_url
from infrastructure.views.postgres import CHANNEL, PostgresViews
from infrastructure.views.standing import Standing, read_standing
from projections.engine import generations
from projections.engine.errors import ViewUnknown
from projections.engine.keeping import Serving
from projections.engine.projection import Projection

_WAITED_FOR_S = 0.05
"""How long a look may be put off while somebody waits and nobody tells."""
_IDLE_S = 1.0
_GAP_S = 0.005
"""Between two looks: views that are told of in one burst are looked at once."""
_AGAIN_S = 0.5
_NOWHERE = Standing({}, None)
_logger = logging.getLogger(__name__)


class ViewFollower:
    """`projections.engine.keeping.Keeper` of a process that folds nothing."""

    def __init__(
        self, database_url: str, store: PostgresViews, log: ActivityLog, projections: Sequence[Projection]
    ) -> None:
        self.store = store
        self.log = log
        self.projections: Mapping[str, Projection] = {each.name: each for each in projections}
        self._url = libpq_url(database_url)
        self._standing = _NOWHERE
        with store.arrange() as connection:
            generations.create_progress(connection)
        self._moved = threading.Condition()
        self._waiting = 0
        self._nudge_in, self._nudge_out = socket.socketpair()
        self._nudge_out.setblocking(False)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="views", daemon=True)
        self._thread.start()

    # --- the keeper ---

    def has(self, names: Sequence[str], position: int, tenant: str) -> bool:
        """Whether these views were seen to have a position."""
        standing = self._standing
        return all(standing.of(name, tenant) >= position for name in names)

    def serving(self, connection: Connection, tenant: str) -> Mapping[str, Serving]:
        """The serving generations as a connection's snapshot has them."""
        return read_standing(connection, self.projections).serving(tenant)

    def wait_for(self, projection: str, position: int, timeout_s: float, tenant: str | None = None) -> None:
        """Wait until a view has a position. Raises ProjectionBehind, ViewUnknown."""
        if projection not in self.projections:
            raise ViewUnknown(f"{projection!r} is not a view", names=sorted(self.projections))

        def is_decided() -> bool:
            standing = self._standing
            return standing.of(projection, tenant) >= position or bool(standing.error(projection, tenant))

        self._wait_until(is_decided, timeout_s)
        standing = self._standing
        reached = standing.of(projection, tenant)
        if reached < position:
            cause = standing.error(projection, tenant) or f"waited {timeout_s:g} s"
            raise ProjectionBehind(
                f"{projection} stands at {reached}, not yet at {position}: {cause}",
                projection=projection,
                position=reached,
            )

    def wait(self, position: int, timeout_s: float, tenant: str | None = None) -> None:
        """Wait until every view has a position. Raises ProjectionBehind."""
        deadline = time.monotonic() + timeout_s
        for name in self.projections:
            self.wait_for(name, position, max(0.0, deadline - time.monotonic()), tenant)

    def status(self) -> tuple[ProjectionStatus, ...]:
        """Where each view stands: the least of its partitions."""
        head = self.log.head()
        with self.store.read() as connection:
            standing = read_standing(connection, self.projections)
        return tuple(_status(projection, standing, head) for projection in self.projections.values())

    def close(self) -> None:
        """End the thread and the connections."""
        self._closing.set()
        self._nudge()
        self._thread.join()
        self._nudge_in.close()
        self._nudge_out.close()
        self.store.close()

    # --- the thread ---

    def _wait_until(self, is_so: Callable[[], bool], timeout_s: float) -> None:
        if is_so():
            return
        with self._moved:
            self._waiting += 1
            if self._waiting == 1:
                self._nudge()
            try:
                self._moved.wait_for(is_so, timeout_s)
            finally:
                self._waiting -= 1

    def _nudge(self) -> None:
        with contextlib.suppress(OSError):  # full: it is nudged already; closed: nobody follows any more
            self._nudge_out.send(b".")

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                arguments = connect_arguments("optaic-mlops view listener")
                with psycopg.connect(self._url, autocommit=True, **arguments) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    while not self._closing.is_set():
                        self._look()
                        self._listen(connection)
            except (psycopg.Error, *self.store.away) as error:
                self._forget()
                if not self._closing.is_set():
                    _logger.warning("the views' listener connects again: %s", error)
                    self._closing.wait(_AGAIN_S)
            except Exception:
                _logger.exception("the views' listener begins again")
                self._closing.wait(_AGAIN_S)

    def _forget(self) -> None:
        """A server that crashed may come back with views that stand where they stood before: nothing that was
        seen counts any more.
        """
        with self._moved:
            self._standing = _NOWHERE

    def _look(self) -> None:
        with self.store.read() as connection:
            standing = read_standing(connection, self.projections)
        with self._moved:
            self._standing = standing
            self._moved.notify_all()

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        """Until somebody here waits and is told or has waited long enough; else for a while."""
        looked = time.monotonic()
        while not self._closing.is_set():
            waited = time.monotonic() - looked
            left = (_WAITED_FOR_S if self._waiting else _IDLE_S) - waited
            if left <= 0:
                return
            ready, _, _ = select.select([connection.fileno(), self._nudge_in], [], [], left)
            if self._nudge_in in ready:
                self._nudge_in.recv(4096)
            if connection.fileno() in ready:
                connection.pgconn.consume_input()
                while connection.pgconn.notifies():
                    pass
            if ready and self._waiting:
                self._closing.wait(looked + _GAP_S - time.monotonic())
                return


def _status(projection: Projection, standing: Standing, head: int) -> ProjectionStatus:
    view = standing.views.get(projection.name)
    error = view.error if view else None
    return ProjectionStatus(
        name=projection.name,
        version=projection.version,
        generation=view.generation if view else 0,
        position=standing.lowest(projection.name),
        head=head,
        status="stopped" if error else "running",
        error=error,
    )
