"""The `worker` role: runs and evaluations in child processes; workers share the work through the log."""

import logging
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from application.policies import execution
from application.policies.context import Policy, PolicyContext
from application.policies.runner import PolicyRunner
from domain.ml_module_def.events import DefinitionSubmitted
from domain.run.events import RunCancelled, RunFailed, RunSubmitted
from domain.shared.activity import Event, RecordedEvent
from domain.shared.errors import Kind, RuleBroken
from infrastructure.execution import LocalExecutor, Surroundings
from infrastructure.guardrail_measures import ParquetMeasurer
from infrastructure.processes.sandbox_levels import open_sandbox
from infrastructure.roles.role import RoleStatus
from infrastructure.roles.wiring import Core, scratch
from infrastructure.run_progress import Progress
from infrastructure.work_source import ServiceWork

HEARTBEAT_S = 5.0
"""How often a worker says that its runs live: a twelfth of their lease."""
LOOK_S = 30.0
"""How often a worker looks for work although nothing told it to: what it could not claim when it was told."""
_AGAIN_S = 1.0
_log = logging.getLogger(__name__)


def kill_failed(recorded: RecordedEvent, context: PolicyContext) -> None:
    """A run that was failed from elsewhere (its lease expired) must not go on here."""
    if isinstance(recorded.event, RunFailed):
        context.executor.kill(recorded.event.run_id)


WATCHED: Mapping[type[Event], tuple[Policy, ...]] = {
    DefinitionSubmitted: (execution.wake_executor,),
    RunSubmitted: (execution.wake_executor,),
    RunCancelled: (execution.kill_process,),
    RunFailed: (kill_failed,),
}
"""What a worker wants to hear of."""


class FromTheHead:
    """A worker begins at the head: what was there before, it finds by looking."""

    def load(self) -> int | None:
        """Nothing is remembered."""

    def save(self, position: int) -> None:
        """Nothing is kept."""


class Worker:
    """A local executor that follows the shared log; by its name it knows its own runs after a restart."""

    def __init__(self, core: Core) -> None:
        settings = core.settings
        self.name = settings.worker_name or f"worker@{socket.gethostname()}"
        self._core = core
        self._executor = LocalExecutor(
            self._surroundings(settings.python or Path(sys.executable)),
            scratch(settings, f"worker-{settings.worker_name or 'runs'}"),
            slots=settings.run_slots,
            worker=self.name,
        )
        context = PolicyContext(services=core.services, bus=core.bus, executor=self._executor)
        self._events = PolicyRunner(WATCHED, context, FromTheHead())
        self._stopping = threading.Event()
        self._looks = False
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Fail the runs of a former life as soon as the views know them, then look for work."""
        self._events.start()
        self._thread.start()

    def stop(self) -> None:
        """Kill what runs, fail it by name, and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._events.stop()
        self._executor.close()

    def status(self) -> RoleStatus:
        """What runs here."""
        running = sorted(self._executor.running())
        slots = self._core.settings.run_slots
        does = f"runs {len(running)} of at most {slots}" if self._looks else "waits for the views"
        return RoleStatus(
            ready=self.failure is None and self._looks,
            detail=f"{self.name} {does}",
            facts={"worker": self.name, "running": running, "slots": slots},
        )

    def _surroundings(self, python: Path) -> Surroundings:
        core = self._core
        source = ServiceWork(
            services=core.services,
            bus=core.bus,
            queries=core.views.queries,
            tenants=core.work.tenants_with_work,
            official_level=core.settings.official_sandbox,
        )
        return Surroundings(
            source=source,
            artifacts=core.artifacts,
            datasets=core.datasets,
            sessions=core.sessions,
            measurer=ParquetMeasurer(),
            python=python,
            sandbox=open_sandbox(core.settings.sandbox, (core.settings.data.resolve(),)),
        )

    def _work(self) -> None:
        try:
            if self._begin():
                self._keep_alive()
        except Exception as error:
            _log.exception("the worker cannot go on")
            self.failure = error

    def _begin(self) -> bool:
        """Start the executor; what is only away, or behind, is waited for. False: told to stop meanwhile."""
        while not self._stopping.is_set():
            try:
                self._executor.start()
            except RuleBroken as broken:
                if broken.kind is not Kind.UNAVAILABLE:
                    raise
                _log.warning("no work is looked for yet: %s", broken.detail)
                self._stopping.wait(_AGAIN_S)
            else:
                self._looks = True
                return True
        return False

    def _keep_alive(self) -> None:
        beats = 0
        while not self._stopping.wait(HEARTBEAT_S):
            beats += 1
            try:
                for run_id, (fraction, message) in self._executor.running().items():
                    self._core.book.say(run_id, Progress(fraction=fraction, message=message))
            except Exception:
                _log.exception("the leases of this worker's runs were not renewed")
            if beats % (LOOK_S // HEARTBEAT_S) == 0:
                self._executor.wake()
