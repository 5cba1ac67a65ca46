"""One run from its claim to its end."""

import hashlib
import os
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from application.ports import ArtifactStore, DatasetStore, Measurer, Sessions
from domain.guardrails.measurements import Measurements
from domain.point_in_time import PitReadAfterAsOf, check_model_known
from domain.run.again import is_reserved
from domain.run.commands import CompleteRun
from domain.run.pins import Artifact
from domain.shared.errors import RuleBroken
from infrastructure.execution.ending import Ending, Stop, failure_of
from infrastructure.execution.errors import RunOutputMalformed
from infrastructure.execution.measured_run import measured_run
from infrastructure.execution.run_folder import RunFolder
from infrastructure.execution.session import REPORTS, RunSession
from infrastructure.execution.socket_server import serve_socket
from infrastructure.execution.staged_rows import write_rows
from infrastructure.execution.work import RunWork, WorkSource
from infrastructure.processes.child import environment
from infrastructure.processes.output_log import OutputLog
from infrastructure.processes.sandbox import MIB, Limits, Program, Sandbox, SandboxedChild
from optaic.mlops.runner.protocol import SOCKET_SETTING


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What every run of an executor shares."""

    source: WorkSource
    artifacts: ArtifactStore
    datasets: DatasetStore
    sessions: Sessions
    measurer: Measurer
    python: Path = Path(sys.executable)
    """The interpreter of runs, and with it what they can import."""
    lease_s: float = 60.0
    sandbox: Sandbox = field(default_factory=Sandbox)
    """How runs and evaluations are shut in."""
    limits: Limits = field(default_factory=Limits)
    """What a run may take beside its own limits of memory and time."""


class Supervision:
    """Starts a run's process, waits for its end within lease and time limit, and says what came of it."""

    def __init__(self, work: RunWork, folder: RunFolder, around: Surroundings) -> None:
        self.work = work
        self.folder = folder
        self.session = RunSession(work, folder, around.datasets, around.sessions, around.source)
        self._around = around
        self._log = OutputLog(folder.log)
        self._lock = threading.Lock()
        self._child: SandboxedChild | None = None
        self._stop: Stop | None = None
        self._ended: SandboxedChild | None = None

    def stop(self, why: Stop) -> None:
        """End the process group; the first reason counts."""
        with self._lock:
            self._stop = self._stop or why
            if self._child is not None:
                self._child.kill()

    @property
    def stopped(self) -> Stop | None:
        """Why the executor ended the process, if it did."""
        return self._stop

    def run(self) -> RuleBroken | None:
        """Run the process to its end; the failure, or None when its results count."""
        with serve_socket(self.session.answer, self.folder.root) as socket:
            exit_code = self._run_child(socket)
        ending = Ending(
            exit_code=exit_code,
            stop=self._stop,
            told=self.session.failure,
            has_results=self.session.results is not None,
            last_lines=self._log.last_lines(),
            excess=self._ended.stopped if self._ended else None,
            refusal=self._ended.refusal if self._ended else None,
        )
        return failure_of(ending)

    def _run_child(self, socket: Path) -> int:
        child = self._around.sandbox.start(self._program(socket))
        try:
            with self._lock:
                self._child = child
                if self._stop is not None:
                    child.kill()
            self._log.follow(child.output)
            return self._wait(child)
        finally:
            with self._lock:
                self._child = None
            child.close()
            self._log.finish()
            self._ended = child

    def _program(self, socket: Path) -> Program:
        folder, bounds = self.folder, self.work.run.limits
        cpu_s = int(bounds.time_s * (os.cpu_count() or 1)) + 1
        return Program(
            python=self._around.python,
            arguments=["-P", "-s", "-m", "optaic.mlops.runner"],
            cwd=folder.work,
            env=environment(folder.work, bounds.memory_mib, {SOCKET_SETTING: str(socket)}),
            scratch=folder.root,
            writable=(folder.work,),
            read_only=(folder.package, folder.model, folder.inputs, socket),
            limits=replace(self._around.limits, memory_bytes=bounds.memory_mib * MIB, cpu_s=cpu_s),
        )

    def _wait(self, child: SandboxedChild) -> int:
        """Wait for the end, and bring it about when the lease or the time is over."""
        deadline = time.monotonic() + self.work.run.limits.time_s
        while True:
            now = time.monotonic()
            expiry = self.session.renewed + self._around.lease_s
            exit_code = child.wait(min(deadline, expiry) - now)
            if exit_code is not None:
                return exit_code
            now = time.monotonic()
            if now >= deadline:
                self.stop("time")
                deadline = float("inf")
            elif now >= self.session.renewed + self._around.lease_s:
                self.stop("lease")
                self.session.renewed = float("inf")

    def result(self, log_sha256: str | None) -> CompleteRun:
        """The command that hands over the results; raises RunOutputMalformed and the `pit.*` errors."""
        metrics, facts = self.session.results or ({}, {})
        facts = self._with_reports(facts)
        artifact, output, measurements = None, None, None
        if self.session.artifact is not None:
            path, kind = self.session.artifact
            sha256 = self._stored(path)
            artifact = Artifact(sha256=sha256, size_bytes=path.stat().st_size, format=kind)
        if self.session.output is not None:
            rows = self.folder.staged / "output.parquet"
            write_rows(self.session.output, rows)
            self._check_output(rows)
            measurements = self._measure(rows)
            output = self._around.artifacts.put_file(rows)
        return CompleteRun(
            run_id=self.work.run.run_id,
            metrics=metrics,
            artifact=artifact,
            output_sha256=output,
            measurements=measurements,
            facts=facts,
            log_sha256=log_sha256,
        )

    def _with_reports(self, facts: dict[str, Any]) -> dict[str, Any]:
        """The facts and the hashes of what was staged to be read: a run cannot name other files."""
        names = {f"{name}_sha256" for name in REPORTS}
        stored = {
            f"{name}_sha256": self._around.artifacts.put_file(path)
            for name, path in self.session.reports.items()
        }
        return {name: fact for name, fact in facts.items() if name not in names} | stored

    def _stored(self, model: Path) -> str:
        """A reproduction's file is compared and not kept: it could bring back what was purged."""
        if not is_reserved(self.work.run.trigger):
            return self._around.artifacts.put_file(model)
        with model.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _measure(self, output: Path) -> Measurements:
        around, session = self._around, self.session
        run = measured_run(self.work, around.datasets, around.sessions, session.entities, session.decisions)
        return around.measurer.measure(self.work.manifest.contracts, output, run)

    def _check_output(self, path: Path) -> None:
        """R6 again, outside the run's own code: what it staged must be rows of its own decisions."""
        try:
            rows = pl.scan_parquet(path).select("entity", "date", "knowledge_date")
            known = rows.select(
                first=pl.col("knowledge_date").min(), last=pl.col("knowledge_date").max()
            ).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise RunOutputMalformed(f"the staged rows cannot be read: {str(error)[:500]}") from None
        first, last = known.row(0)
        if not isinstance(first, datetime) or not isinstance(last, datetime) or first.tzinfo is None:
            raise RunOutputMalformed("the staged rows are none, or have no UTC knowledge_date")
        if self.work.run.model is not None:
            check_model_known(self.work.run.model.trained_as_of, first)
        if last > self.work.run.as_of:
            raise PitReadAfterAsOf(
                f"a row of {last.isoformat()}, the run may know {self.work.run.as_of.isoformat()}"
            )

    def store_log(self) -> str | None:
        """Keep what the process printed; None when it printed nothing."""
        log = self.folder.log
        return self._around.artifacts.put_file(log) if log.exists() and log.stat().st_size else None
