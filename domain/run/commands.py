"""What can be asked of a run. Start, metrics, complete and fail are the worker's side."""

from datetime import date
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from domain.guardrails.measurements import Measurements
from domain.run.pins import Artifact, MetricName, MetricPoint
from domain.shared.command import Command
from domain.shared.ids import Name, RunId, Sha256
from domain.shared.times import Instant


class ExternalInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset version that an external training declares to have read."""

    dataset: Name
    version: int
    role: str | None = None


class SubmitRun(Command, frozen=True, kw_only=True):
    """Ask for a run of an instance. What it depends on is pinned now."""

    TYPE: ClassVar = "submit_run"
    instance: Name
    kind: Literal["training", "inference", "monitoring"]
    as_of: Instant | None = None
    """What the run may know; default now, later than now is refused."""
    first: date | None = None
    """Inference over a range of decision sessions: the first; `last` goes with it."""
    last: date | None = None
    model_version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Inference and monitoring: default the active version."""
    params: dict[str, Any] = {}
    """Hyper-parameters of this run, over those of the instance's config."""
    run_id: RunId | None = None
    """Default: made by the service."""
    executor: Literal["local", "external"] = "local"
    inputs: tuple[ExternalInput, ...] = ()
    """External training only: the dataset versions that it read."""
    retry_of: RunId | None = None
    refit: bool = False
    trigger: str = "manual"
    override: bool | UnsetType = UNSET
    """Let it pass a gate that blocks; needs a reason, and the role operator."""


class BackfillInstance(Command, frozen=True, kw_only=True):
    """Predict the past as one workflow: each date by the newest version that had seen nothing later, or with
    `refit` by versions that are trained for it along the way.
    """

    TYPE: ClassVar = "backfill_instance"
    instance: Name
    first: date
    last: date
    refit: str | None = None
    """`1y`, `2q`, `6m`, or a number of sessions: a training before each block, which it then predicts."""
    model_version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Every date by this version."""
    as_of: Instant | None = None
    override: bool | UnsetType = UNSET
    """Let it pass a gate that blocks; needs a reason, and the role operator."""


class RetryRun(Command, frozen=True, kw_only=True):
    """Do a failed run again with everything as it was pinned: a new run that names this one."""

    TYPE: ClassVar = "retry_run"
    run_id: RunId
    override: bool | UnsetType = UNSET
    """Let it pass a gate that blocks; needs a reason, and the role operator."""


class ReproduceRun(Command, frozen=True, kw_only=True):
    """Do a completed training again from what its events recorded, and compare; nothing is registered."""

    TYPE: ClassVar = "reproduce_run"
    run_id: RunId


class StartRun(Command, frozen=True, kw_only=True):
    """Claim a pending run; one worker wins."""

    TYPE: ClassVar = "start_run"
    WORKER: ClassVar = True
    run_id: RunId
    worker: str
    python: str = ""
    distributions: dict[str, str] = {}
    sandbox_level: Literal["L1", "L2", "L3"] | UnsetType = UNSET
    """How the run's process is shut in; unset for one outside."""


class LogMetrics(Command, frozen=True, kw_only=True):
    """Record up to 1,000 metric points of a running run."""

    TYPE: ClassVar = "log_metrics"
    WORKER: ClassVar = True
    run_id: RunId
    points: Annotated[tuple[MetricPoint, ...], msgspec.Meta(min_length=1, max_length=1000)]


class CompleteRun(Command, frozen=True, kw_only=True):
    """Hand over the result: gate, outputs and end are one append."""

    TYPE: ClassVar = "complete_run"
    WORKER: ClassVar = True
    run_id: RunId
    metrics: dict[MetricName, float] = {}
    artifact: Artifact | None = None
    """Training: the stored model file."""
    output_sha256: Sha256 | None = None
    """Inference: the staged rows, a Parquet file stored as a blob."""
    measurements: Measurements | None = None
    """What was measured on the output, for the gate; taken by the executor, not by the run's own code."""
    facts: dict[str, Any] = {}
    log_sha256: Sha256 | None = None


class FailRun(Command, frozen=True, kw_only=True):
    """End a pending or running run without a result."""

    TYPE: ClassVar = "fail_run"
    WORKER: ClassVar = True
    run_id: RunId
    code: str
    message: Annotated[str, msgspec.Meta(max_length=4000)]
    log_sha256: Sha256 | None = None


class CancelRun(Command, frozen=True, kw_only=True):
    """End a pending or running run at once; final even if its process is still dying."""

    TYPE: ClassVar = "cancel_run"
    run_id: RunId
