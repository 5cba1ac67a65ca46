"""What can happen to a run. The three kinds share these classes; actions stay `training_run.*`,
`inference_run.*`, …
"""

from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from domain.run.pins import (
    Artifact,
    DateRange,
    MetricPoint,
    PinnedConfig,
    PinnedInput,
    PinnedLimits,
    PinnedModel,
)
from domain.shared.activity import Event
from domain.shared.ids import Name, Sha256
from domain.shared.references import DefinitionRef

Kind = Literal["training", "inference", "monitoring"]
_KINDS: tuple[Kind, ...] = ("training", "inference", "monitoring")


def _actions(verb: str) -> tuple[str, ...]:
    return tuple(f"{kind}_run.{verb}" for kind in _KINDS)


class _OfRun(Event, frozen=True, kw_only=True):
    run_id: str
    kind: Kind
    instance: Name

    def action(self) -> str:
        return self.ACTIONS[_KINDS.index(self.kind)]

    def resource(self) -> tuple[str, str]:
        return f"{self.kind}_run", self.run_id


class RunSubmitted(_OfRun, frozen=True, kw_only=True):
    """A run was asked for; everything that it may depend on is pinned from here on."""

    ACTIONS: ClassVar = _actions("submitted")
    definition: DefinitionRef
    package_sha256: Sha256
    config: PinnedConfig
    limits: PinnedLimits
    inputs: tuple[PinnedInput, ...]
    output_dataset: Name
    model: PinnedModel | None
    """The version used; None for training."""
    as_of: datetime
    decisions: DateRange | None
    """The decision sessions of an inference run over a range; None: one decision at `as_of`."""
    refit: bool
    """Made by a backfill that refits for the past: never promoted by a policy."""
    executor: Literal["local", "external"]
    trigger: str
    """`manual`, `schedule:<slot>`, `policy:<name>`, `backfill`."""
    retry_of: str | None


class RunStarted(_OfRun, frozen=True, kw_only=True):
    """One worker claimed the run and began."""

    ACTIONS: ClassVar = _actions("started")
    worker: str
    python: str
    distributions: dict[str, str]
    """The resolved distributions of the executor's environment: name to version."""
    sandbox_level: str | msgspec.UnsetType = msgspec.UNSET
    """How the run's process is shut in, L1 to L3; unset for one outside and of before it was recorded."""


class RunMetricsLogged(_OfRun, frozen=True, kw_only=True):
    """A batch of at most 1,000 metric points, in a stream of their own."""

    ACTIONS: ClassVar = _actions("metrics_logged")
    points: tuple[MetricPoint, ...]


class RunCompleted(_OfRun, frozen=True, kw_only=True):
    """The run is done and its output registered in the same append."""

    ACTIONS: ClassVar = _actions("completed")
    metrics: dict[str, float]
    artifact: Artifact | None
    """Training: the model file."""
    model_version: int | None
    """Training: the number that its version got."""
    dataset_version: int | None
    """Inference: the version of the output dataset; None if its rows were all there already."""
    facts: dict[str, Any]
    """Small results worth telling, such as the last trainable day or the rows dropped for a missing label."""
    log_sha256: Sha256 | None


class RunDifference(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something of a reproduction that is not as it was recorded: `artifact`, `metric rank_ic`, `python`,
    `distribution polars`.
    """

    what: str
    recorded: str | None
    reproduced: str | None


class RunReproduced(Event, frozen=True, kw_only=True):
    """A completed training was done again from what its events recorded; this is what came of it."""

    ACTIONS: ClassVar = ("training_run.reproduced",)
    run_id: str
    instance: Name
    by_run: str
    """The run that did it again; it registered nothing."""
    verdict: Literal["equal", "differs"]
    equal_artifact: bool
    equal_metrics: bool
    differences: tuple[RunDifference, ...]
    """Of artifact and metrics; the verdict is about these."""
    environment: tuple[RunDifference, ...]
    """Of distributions: where to look first when something differs, no part of the verdict."""

    def resource(self) -> tuple[str, str]:
        return "training_run", self.run_id


class RunFailed(_OfRun, frozen=True, kw_only=True):
    """The run ended without a result; nothing of it was registered."""

    ACTIONS: ClassVar = _actions("failed")
    code: str
    message: str
    log_sha256: Sha256 | None


class RunCancelled(_OfRun, frozen=True, kw_only=True):
    """Somebody, or the archiving of the instance, ended the run."""

    ACTIONS: ClassVar = _actions("cancelled")
