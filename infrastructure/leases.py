"""Leases of running runs, and the patience with runs that nobody starts (rule 12).

A lease is operational state, not an event: embedded it lives in memory, and after a restart every run has a
fresh one; in production it is a row by the database's clock. Its expiry is an event: the run fails with
`run.lease_expired`.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

from application.bus import Bus, Sender
from application.ports import ActivityLog, Clock
from application.queries import LIMIT_MAX, Paging, Queries, RunFilter
from application.views import RunView
from domain.run.commands import FailRun
from domain.run.errors import RunAlreadyFinished
from domain.shared.activity import Actor
from domain.shared.errors import StreamVersionStale

LEASE = timedelta(seconds=60)
"""How long a run may say nothing."""
PATIENCE = timedelta(hours=24)
"""How long a run may wait for a worker."""
_SWEEP_S = 5.0
_log = logging.getLogger(__name__)

Tenants = Callable[[], Sequence[str]]
"""The tenants that may have runs under way."""


class LeaseBook(Protocol):
    """Until when each run is believed to live."""

    def renew(self, run_id: str) -> None:
        """The run was heard of."""
        ...

    def review(self, run_ids: Sequence[str]) -> set[str]:
        """Those of all running runs whose time is over. A run without a lease gets a fresh one; leases of
        other runs go.
        """
        ...


class LeasesInMemory:
    """The leases of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = dict[str, float]()
        self._lock = threading.Lock()

    def renew(self, run_id: str) -> None:
        """The run was heard of."""
        with self._lock:
            self._until[run_id] = (self._clock.now() + LEASE).timestamp()

    def review(self, run_ids: Sequence[str]) -> set[str]:
        """Those of all running runs whose time is over."""
        now = self._clock.now()
        with self._lock:
            fresh = (now + LEASE).timestamp()
            self._until = {run_id: self._until.get(run_id, fresh) for run_id in run_ids}
            return {run_id for run_id, until in self._until.items() if until < now.timestamp()}

    def watched(self) -> tuple[str, ...]:
        """Ids of the runs that have a lease."""
        with self._lock:
            return tuple(self._until)


def is_done_elsewhere(run: RunView) -> bool:
    """The embedded service watches only these: its local executor watches its own."""
    return run.executor == "external"


class Leases:
    """Fails running runs that fell silent and pending ones that nobody starts."""

    def __init__(
        self,
        bus: Bus,
        queries: Queries,
        log: ActivityLog,
        clock: Clock,
        tenants: Tenants,
        *,
        book: LeaseBook | None = None,
        is_watched: Callable[[RunView], bool] = is_done_elsewhere,
    ) -> None:
        self.book: LeaseBook = book or LeasesInMemory(clock)
        self._bus = bus
        self._log = log
        self._queries = queries
        self._clock = clock
        self._tenants = tenants
        self._is_watched = is_watched
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="leases", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def renew(self, run_id: str) -> None:
        """Any call of a run renews its lease."""
        self.book.renew(run_id)

    def sweep(self) -> None:
        """Fail the runs whose time is over."""
        tenants = tuple(self._tenants())
        found = [(tenant, run) for tenant in tenants for run in self._runs(tenant, "running")]
        running = [(tenant, run) for tenant, run in found if self._is_watched(run)]
        expired = self.book.review([run.id for _, run in running])
        for tenant, run in running:
            if run.id in expired:
                detail = f"nothing was heard of the run for {LEASE.seconds} s"
                self._fail(tenant, run, "run.lease_expired", detail)
        now = self._clock.now()
        for tenant in tenants:
            for run in self._runs(tenant, "pending"):
                if now - run.submitted.at > PATIENCE:
                    detail = "no worker started the run within 24 h"
                    self._fail(tenant, run, "run.never_started", detail)

    def _watch(self) -> None:
        while not self._stopped.wait(_SWEEP_S):
            try:
                self.sweep()
            except Exception:
                _log.exception("the leases were not looked at; they are in %g s", _SWEEP_S)

    def _runs(self, tenant: str, state: str) -> list[RunView]:
        found: list[RunView] = []
        cursor = None
        while True:
            paging = Paging(limit=LIMIT_MAX, cursor=cursor)
            page = self._queries.runs(tenant, RunFilter(state=state), paging)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    def _fail(self, tenant: str, run: RunView, code: str, message: str) -> None:
        """End the run in its own workflow, if it still stands where it was seen."""
        (submitted,) = self._log.read(run.submitted.position - 1, 1)
        sender = Sender(
            tenant=tenant,
            actor=Actor(principal="service:leases", method="service"),
            reason=message,
            correlation_id=submitted.correlation_id,
            causation_id=submitted.event_id,
            expected_versions={run.node: run.stream_version},
        )
        try:
            self._bus.send(FailRun(run_id=run.id, code=code, message=message), sender)
        except (RunAlreadyFinished, StreamVersionStale):
            _log.info("the run %s went on or ended by itself", run.id)
