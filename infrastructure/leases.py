"""Leases of runs that are done elsewhere, and the patience with runs that nobody starts (rule 12).

A lease is operational state, not an event: it lives in memory, and after a restart every running external
run has a fresh one. Its expiry is an event: the run fails with `run.lease_expired`.
"""

import logging
import threading
from datetime import timedelta

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


class Leases:
    """Watches runs with executor `external`; the local executor watches its own."""

    def __init__(self, bus: Bus, queries: Queries, log: ActivityLog, clock: Clock, tenant: str) -> None:
        self._bus = bus
        self._log = log
        self._queries = queries
        self._clock = clock
        self._tenant = tenant
        self._until = dict[str, float]()
        self._lock = threading.Lock()
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
        with self._lock:
            self._until[run_id] = (self._clock.now() + LEASE).timestamp()

    def watched(self) -> tuple[str, ...]:
        """Ids of the runs that have a lease."""
        with self._lock:
            return tuple(self._until)

    def sweep(self) -> None:
        """Fail the runs whose time is over."""
        now = self._clock.now()
        running = [run for run in self._runs("running") if run.executor == "external"]
        with self._lock:
            self._until = {run.id: self._until.get(run.id, (now + LEASE).timestamp()) for run in running}
            expired = [run for run in running if self._until[run.id] < now.timestamp()]
        for run in expired:
            self._fail(run, "run.lease_expired", f"nothing was heard of the run for {LEASE.seconds} s")
        for run in self._runs("pending"):
            if now - run.submitted.at > PATIENCE:
                self._fail(run, "run.never_started", "no worker started the run within 24 h")

    def _watch(self) -> None:
        while not self._stopped.wait(_SWEEP_S):
            try:
                self.sweep()
            except Exception:
                _log.exception("the leases were not looked at; they are in %g s", _SWEEP_S)

    def _runs(self, state: str) -> list[RunView]:
        found: list[RunView] = []
        cursor = None
        while True:
            paging = Paging(limit=LIMIT_MAX, cursor=cursor)
            page = self._queries.runs(self._tenant, RunFilter(state=state), paging)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    def _fail(self, run: RunView, code: str, message: str) -> None:
        """End the run in its own workflow, if it still stands where it was seen."""
        (submitted,) = self._log.read(run.submitted.position - 1, 1)
        sender = Sender(
            tenant=self._tenant,
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
