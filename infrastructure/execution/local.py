"""The local executor: a bounded number of child processes on this machine, gone when the service is gone."""

import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from domain.ml_module_def.commands import RecordEvaluation
from domain.ml_module_def.manifest import Manifest
from domain.run.commands import FailRun
from domain.shared.errors import RuleBroken
from infrastructure.evaluation import evaluate
from infrastructure.execution.ending import shown
from infrastructure.execution.errors import RunCrashed, RunWorkerLost
from infrastructure.execution.removal import remove_folder
from infrastructure.execution.run_folder import RunFolder, make_run_folder
from infrastructure.execution.supervision import Supervision, Surroundings
from infrastructure.execution.work import RunWork, Unevaluated
from infrastructure.processes.distributions import installed_distributions

_log = logging.getLogger(__name__)
EVALUATION_TIME_S = 300.0


class LocalExecutor:
    """Implements `application.ports.Executor`.

    `folder` is its own: whatever lies in it is removed at the start. `slots`: how many processes run at once.
    """

    def __init__(
        self, around: Surroundings, folder: Path, *, slots: int = 2, worker: str | None = None
    ) -> None:
        self._around = around
        self._source = around.source
        self._folder = folder
        self._slots = slots
        self.worker = worker or f"local@{socket.gethostname()}"
        self._changed = threading.Condition()
        self._woken = False
        self._closing = False
        self._busy: dict[str, Supervision | None] = {}
        self._done: set[str] = set()
        self._unwanted: set[str] = set()
        self._stop = threading.Event()
        self._dispatcher: threading.Thread | None = None

    def start(self) -> None:
        """Fail the runs of a former life, then begin to look for work."""
        remove_folder(self._folder)
        self._folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        for run_id in self._source.running_runs(self.worker):
            self._fail(run_id, RunWorkerLost("the service ended while the run was running"), None)
        self._dispatcher = threading.Thread(target=self._dispatch, name="executor", daemon=True)
        self._dispatcher.start()
        self.wake()

    def wake(self) -> None:
        """There may be work: look for pending runs and submitted definitions."""
        with self._changed:
            self._done = {key for key in self._done if "@" not in key}
            self._woken = True
            self._changed.notify_all()

    def kill(self, run_id: str) -> None:
        """The run was ended from outside: kill its process group if it is ours."""
        with self._changed:
            supervision = self._busy.get(run_id)
            if supervision is None and run_id in self._busy:
                self._unwanted.add(run_id)
        if supervision is not None:
            supervision.stop("cancelled")

    def progress(self, run_id: str) -> tuple[float, str] | None:
        """How far a run of ours is, 0 to 1, and what it does; None if it is not running here."""
        with self._changed:
            supervision = self._busy.get(run_id)
        return None if supervision is None else supervision.session.progress

    def running(self) -> dict[str, tuple[float, str]]:
        """The runs whose processes live here, each with how far it is."""
        with self._changed:
            busy = {run_id: one for run_id, one in self._busy.items() if one is not None}
        return {run_id: one.session.progress for run_id, one in busy.items()}

    def log_path(self, run_id: str) -> Path | None:
        """What a run of ours has printed so far; None if it is not running here."""
        with self._changed:
            supervision = self._busy.get(run_id)
        return None if supervision is None else supervision.folder.log

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing runs and nothing is left to look at; False when the time is over first."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy and not self._woken, timeout_s)

    def close(self) -> None:
        """Kill what runs, fail it, and end."""
        with self._changed:
            self._closing = True
            self._stop.set()
            running = [one for one in self._busy.values() if one is not None]
            self._changed.notify_all()
        for supervision in running:
            supervision.stop("closed")
        with self._changed:
            self._changed.wait_for(lambda: not self._busy, 30.0)
        if self._dispatcher is not None:
            self._dispatcher.join(30.0)

    def _dispatch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or (self._woken and len(self._busy) < self._slots)
                )
                if self._closing:
                    return
            self._take_work()
            with self._changed:
                self._changed.notify_all()

    def _take_work(self) -> None:
        """Give free slots to evaluations and pending runs; asleep again when there is nothing more."""
        with self._changed:
            self._woken = False
        try:
            jobs = self._jobs()
        except (RuleBroken, OSError):
            _log.exception("looking for work failed")
            return
        for key, job in jobs:
            with self._changed:
                if self._closing or key in self._busy or key in self._done:
                    continue
                if len(self._busy) >= self._slots:
                    self._woken = True
                    return
                self._busy[key] = None
            threading.Thread(target=self._do, args=(key, job), name=f"run-{key}", daemon=True).start()

    def _jobs(self) -> list[tuple[str, Callable[[], None]]]:
        def evaluation(one: Unevaluated) -> Callable[[], None]:
            return lambda: self._evaluate(one.tenant, one.manifest)

        def execution(run_id: str) -> Callable[[], None]:
            return lambda: self._execute(run_id)

        definitions = self._source.unevaluated_definitions()
        evaluations = [
            (f"{one.tenant}/{one.manifest.name}@{one.manifest.version}", evaluation(one))
            for one in definitions
        ]
        return evaluations + [(run_id, execution(run_id)) for run_id in self._source.pending_runs()]

    def _do(self, key: str, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception:
            _log.exception("%s could not be done", key)
        finally:
            with self._changed:
                del self._busy[key]
                self._done.add(key)
                self._unwanted.discard(key)
                self._woken = True
                self._changed.notify_all()

    def _execute(self, run_id: str) -> None:
        python = self._around.python
        work = self._source.start(
            run_id, self.worker, str(python), installed_distributions(python), self._around.sandbox.level
        )
        if work is None:
            return
        place = self._folder / run_id
        try:
            folder = make_run_folder(place, work, self._around.artifacts)
            self._supervise(work, folder)
        except RuleBroken as problem:
            self._fail(run_id, problem, None)
        except BaseException as problem:  # a library's panic over what the run handed in is no Exception
            _log.exception("run %s", run_id)
            self._fail(run_id, RunCrashed(f"the executor could not run it: {problem}"), None)
        finally:
            RunFolder(place).remove()

    def _supervise(self, work: RunWork, folder: RunFolder) -> None:
        supervision = Supervision(work, folder, self._around)
        with self._changed:
            self._busy[work.run.run_id] = supervision
            closing, unwanted = self._closing, work.run.run_id in self._unwanted
        if closing or unwanted:
            supervision.stop("cancelled" if unwanted else "closed")
        failure = supervision.run()
        if supervision.stopped == "cancelled":
            return
        log = supervision.store_log()
        try:
            if failure is None:
                self._source.complete(supervision.result(log))
        except RuleBroken as problem:
            failure = problem
        if failure is not None:
            self._fail(work.run.run_id, failure, log)

    def _fail(self, run_id: str, failure: RuleBroken, log: str | None) -> None:
        message = shown(failure.detail[:4000])
        command = FailRun(run_id=run_id, code=failure.code, message=message, log_sha256=log)
        try:
            self._source.fail(command)
        except RuleBroken as refusal:
            _log.info("run %s had ended already: %s", run_id, refusal.detail)

    def _evaluate(self, tenant: str, manifest: Manifest) -> None:
        place = self._folder / f"evaluation-{tenant}-{manifest.name}-{manifest.version}-{os.getpid()}"
        remove_folder(place)
        try:
            package = self._around.artifacts.checked_path(manifest.package_sha256)
            result = evaluate(
                package,
                manifest,
                work=place,
                python=self._around.python,
                timeout_s=EVALUATION_TIME_S,
                stop=self._stop,
                sandbox=self._around.sandbox,
                limits=self._around.limits,
            )
            if self._closing:
                return
            self._source.record_evaluation(
                tenant,
                RecordEvaluation(
                    name=manifest.name,
                    version=manifest.version,
                    package_sha256=manifest.package_sha256,
                    verdict=result.verdict,
                    sandbox_level=result.sandbox_level,
                    checks=result.checks,
                    report_sha256=self._around.artifacts.put(result.report.encode()),
                    hyper_parameter_schema=result.hyper_parameter_schema,
                    output_columns=result.output_columns,
                ),
            )
        finally:
            remove_folder(place)
