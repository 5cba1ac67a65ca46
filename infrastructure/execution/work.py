"""Where the executor finds its work and leaves the results: wired to commands and queries by the
bootstrap.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from domain.ml_module_def.commands import RecordEvaluation
from domain.ml_module_def.manifest import Manifest
from domain.run.commands import CompleteRun, FailRun, LogMetrics
from domain.run.events import RunSubmitted
from infrastructure.processes.sandbox import Level


class InputSource(msgspec.Struct, frozen=True, kw_only=True):
    """A pinned dataset version and where its rows are."""

    dataset: str
    version: int
    role: str
    use: Literal["input", "outcome", "watched"]
    manifest_sha256: str
    calendar: str | None = None
    simulated: tuple[tuple[int, int], ...] = ()
    """Of predictions: first and last `seq` of what each simulated version added."""


class RunWork(msgspec.Struct, frozen=True, kw_only=True):
    """A claimed run: what it pinned, its definition, and its inputs."""

    run: RunSubmitted
    manifest: Manifest
    inputs: tuple[InputSource, ...]


class Unevaluated(msgspec.Struct, frozen=True):
    """A definition version that waits for its verdict."""

    tenant: str
    manifest: Manifest


class WorkSource(Protocol):
    """The service, as the executor sees it. Calls may come from several threads."""

    def pending_runs(self) -> Sequence[str]:
        """Ids of pending runs for the local executor, oldest first."""
        ...

    def running_runs(self, worker: str) -> Sequence[str]:
        """Ids of runs that stand as running with this worker: asked once, before any is started."""
        ...

    def unevaluated_definitions(self) -> Sequence[Unevaluated]:
        """Submitted definition versions without a verdict, oldest first."""
        ...

    def start(
        self, run_id: str, worker: str, python: str, distributions: Mapping[str, str], level: Level
    ) -> RunWork | None:
        """Claim a run for a sandbox of a level; None if it cannot be had any more (another worker,
        cancelled). Raises RuleBroken.
        """
        ...

    def log_metrics(self, command: LogMetrics) -> None:
        """Record metric points. Raises RuleBroken."""
        ...

    def complete(self, command: CompleteRun) -> None:
        """Hand over results. Raises RuleBroken."""
        ...

    def fail(self, command: FailRun) -> None:
        """Say that a run ended without a result. Raises RuleBroken."""
        ...

    def record_evaluation(self, tenant: str, command: RecordEvaluation) -> None:
        """Hand over a verdict. Raises RuleBroken."""
        ...
