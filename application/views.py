"""What the read side answers: one typed view a resource, the same over HTTP, CLI and SDK.

Every view is true at one position of the log. Times are UTC. `stream_version` is the version of the
resource's stream at that position, which `If-Match` names: all versions of a definition share one stream, so
do those of a dataset.
"""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec

from domain.dataset.declaration import DataFile, Declaration
from domain.dataset.events import ContentFacts, Producer
from domain.guardrails.events import GateReport
from domain.ml_module_def.events import Check
from domain.ml_module_def.manifest import Manifest
from domain.model_instance.specification import Specification
from domain.model_version.events import FeatureReading, Stage, VersionInput
from domain.run.pins import Artifact, DateRange, PinnedConfig, PinnedInput, PinnedLimits, PinnedModel
from domain.shared.references import DefinitionRef

T = TypeVar("T")

RunKind = Literal["training", "inference", "monitoring"]
RunState = Literal["pending", "running", "completed", "failed", "cancelled"]
InstanceState = Literal["pending", "training", "ready", "error", "archived"]
DefinitionState = Literal["submitted", "passed", "failed", "published", "deprecated"]
DatasetVersionState = Literal["registered", "verified", "rejected"]
EdgeKind = Literal["input", "outcome", "model", "output", "extends"]
Direction = Literal["up", "down", "both"]


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all views."""


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list, true at `position`; `next_cursor` goes on at the same position."""

    items: tuple[T, ...]
    next_cursor: str | None
    position: int


class ActView(View, frozen=True, kw_only=True):
    """Who did something, when and why: the envelope of the event at `position`."""

    position: int
    at: datetime
    actor: str
    method: str
    on_behalf_of: str | None
    reason: str | None


class EvaluationView(View, frozen=True, kw_only=True):
    """The outcome of a definition's evaluation."""

    verdict: str
    sandbox_level: str
    checks: tuple[Check, ...]
    report_sha256: str | None
    hyper_parameter_schema: dict[str, Any]
    output_columns: dict[str, str]
    act: ActView


class DefinitionView(View, frozen=True, kw_only=True):
    """One version of a definition. `passed` and `failed` are the two outcomes of the state *evaluated*."""

    name: str
    version: str
    ref: str
    state: DefinitionState
    category: str
    manifest: Manifest
    submitter: str
    submitted: ActView
    evaluation: EvaluationView | None
    published: ActView | None
    deprecated: ActView | None
    stream_version: int


class RunBriefView(View, frozen=True, kw_only=True):
    """A run in one line."""

    id: str
    kind: RunKind
    instance: str
    state: RunState
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class InstanceView(View, frozen=True, kw_only=True):
    """An instance. `state` is derived: archived, training, ready, error or pending."""

    name: str
    state: InstanceState
    definition: DefinitionRef
    specification: Specification
    output_dataset: str
    active_version: int | None
    versions: int
    """How many model versions it has."""
    runs: int
    """How many runs were submitted."""
    last_run: RunBriefView | None
    """The run that was submitted last."""
    created: ActView
    specified: ActView
    """Its last update, or its creation."""
    archived: ActView | None
    stream_version: int


class VersionView(View, frozen=True, kw_only=True):
    """A model version."""

    instance: str
    number: int
    ref: str
    stage: Stage
    definition: DefinitionRef
    package_sha256: str
    artifact_sha256: str
    artifact_uri: str
    artifact_bytes: int
    artifact_format: str
    metrics: dict[str, float]
    hyper_parameters: dict[str, Any]
    inputs: tuple[VersionInput, ...]
    reading: FeatureReading
    trained_as_of: datetime
    run_id: str
    external: bool
    refit: bool
    description: str
    tags: tuple[str, ...]
    registered: ActView
    staged: ActView
    """What brought it into its present stage: who, when, why."""
    promoted: ActView | None
    """What brought it into production the last time, by promotion or rollback."""
    purged: ActView | None
    stream_version: int


class ProductionView(View, frozen=True, kw_only=True):
    """A time in production: from when until when which version, who put it there and why."""

    instance: str
    number: int
    ref: str
    how: Literal["promoted", "rolled_back"]
    since: ActView
    until: ActView | None
    """What ended it; None while it lasts."""


class MetricPointView(View, frozen=True, kw_only=True):
    """One point of a metric series. `position` and `at` tell when it was logged."""

    name: str
    step: int
    value: float
    position: int
    at: datetime


class RunStartView(View, frozen=True, kw_only=True):
    """Which worker began, in which environment."""

    worker: str
    python: str
    distributions: dict[str, str]
    sandbox_level: str | None
    """How its process was shut in; None where nobody said."""
    act: ActView


class RunErrorView(View, frozen=True, kw_only=True):
    """Why a run failed."""

    code: str
    message: str


class RunView(View, frozen=True, kw_only=True):
    """A run: what it pinned when it was submitted and what became of it."""

    id: str
    node: str
    """Its lineage node, such as `training_run:0192…`."""
    kind: RunKind
    instance: str
    state: RunState
    definition: DefinitionRef
    package_sha256: str
    config: PinnedConfig
    limits: PinnedLimits
    inputs: tuple[PinnedInput, ...]
    output_dataset: str
    model: PinnedModel | None
    as_of: datetime
    decisions: DateRange | None
    refit: bool
    executor: Literal["local", "external"]
    trigger: str
    retry_of: str | None
    submitted: ActView
    started: RunStartView | None
    ended: ActView | None
    metrics: dict[str, float]
    artifact: Artifact | None
    model_version: int | None
    dataset_version: int | None
    facts: dict[str, Any]
    error: RunErrorView | None
    log_sha256: str | None
    stream_version: int


class MetricRowView(View, frozen=True, kw_only=True):
    """One metric of a comparison: a value a run, None where a run has none."""

    name: str
    values: tuple[float | None, ...]


class ParameterRowView(View, frozen=True, kw_only=True):
    """A parameter, setting or input that differs between the compared runs, as JSON values."""

    name: str
    values: tuple[Any, ...]


class ComparisonView(View, frozen=True, kw_only=True):
    """Runs side by side: all their final metrics, and everything that they pinned in which they differ."""

    runs: tuple[RunView, ...]
    metrics: tuple[MetricRowView, ...]
    parameters: tuple[ParameterRowView, ...]
    """Hyper-parameters."""
    settings: tuple[ParameterRowView, ...]
    """Definition version, package, moment and how data was read."""
    inputs: tuple[ParameterRowView, ...]
    """Dataset versions by role."""
    position: int


class DatasetView(View, frozen=True, kw_only=True):
    """A dataset. `newest` is its newest readable version."""

    name: str
    kind: Literal["source", "prediction"]
    instance: str | None
    declaration: Declaration
    newest: int | None
    versions: int
    created: ActView
    changed: ActView
    """The last event that concerned it or one of its versions."""
    stream_version: int


class DatasetVersionView(View, frozen=True, kw_only=True):
    """A version of a dataset. Only `verified` ones can be read; a purged one answers 410."""

    dataset: str
    number: int
    ref: str
    state: DatasetVersionState
    parent: int | None
    files: tuple[DataFile, ...]
    """The files it added; after a compaction all of its files. Empty until it is verified."""
    content: ContentFacts | None
    """With the row hash and manifest of the last compaction. None until it is verified."""
    backfill: bool
    simulated: bool
    run_id: str | None
    producer: Producer | None
    rejection: RunErrorView | None
    recorded: ActView
    """When it was written or announced."""
    decided: ActView | None
    """When an announced version was verified or rejected."""
    compacted: ActView | None
    purged: ActView | None
    stream_version: int


class NodeView(View, frozen=True, kw_only=True):
    """A node of the lineage graph, `depth` hops from where the question started."""

    node: str
    type: str
    id: str
    depth: int
    instance: str | None
    definition: str | None
    position: int


class EdgeView(View, frozen=True, kw_only=True):
    """An edge: `source` went into `target`; there since `position`."""

    source: str
    target: str
    kind: EdgeKind
    position: int


class LineageView(View, frozen=True, kw_only=True):
    """What a node came from, what came of it, or both, as of `position`."""

    roots: tuple[str, ...]
    direction: Direction
    nodes: tuple[NodeView, ...]
    edges: tuple[EdgeView, ...]
    extends: int
    """How many of the edges are of the kind `extends`."""
    truncated: bool
    """Whether there were more nodes than a view shows; counts by type are of all."""
    counts: dict[str, int]
    position: int


class ImpactView(View, frozen=True, kw_only=True):
    """What was built on something: everything downstream of a node, a definition version or an instance."""

    of: str
    counts: dict[str, int]
    """Reached nodes by type."""
    model_versions: tuple[str, ...]
    in_production: tuple[str, ...]
    """Those of the model versions that are in production at `position`."""
    dataset_versions: tuple[str, ...]
    runs: tuple[str, ...]
    instances: tuple[str, ...]
    truncated: bool
    position: int


class ActivityView(View, frozen=True, kw_only=True):
    """One event of the log with its envelope and a sentence that says what happened."""

    position: int
    event_id: UUID
    resource_type: str
    resource_id: str
    stream_version: int
    action: str
    schema_version: int
    actor: str
    method: str
    on_behalf_of: str | None
    reason: str | None
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    recorded_at: datetime
    sentence: str
    payload: msgspec.Raw


class GateReportView(View, frozen=True, kw_only=True):
    """A gate's verdict and when it fell."""

    report: GateReport
    act: ActView


class HistoryView(View, frozen=True, kw_only=True):
    """The history of a resource and of what belongs to it, oldest first."""

    ref: str
    resource_type: str
    events: Page[ActivityView]


class SearchHitView(View, frozen=True, kw_only=True):
    """Something whose name (or description) contains what was searched."""

    type: Literal["ml_module_def", "model_instance", "model_version", "dataset", "run"]
    ref: str
    summary: str


class ProjectionStatus(View, frozen=True, kw_only=True):
    """Where one projection stands."""

    name: str
    version: int
    generation: int
    position: int
    head: int
    status: Literal["running", "stopped"]
    error: str | None
