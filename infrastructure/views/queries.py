"""All queries over the views: each opens the views it needs at one position and puts their answers
together.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET

from application.queries import (
    ActivityFilter,
    AlertFilter,
    DatasetFilter,
    DefinitionFilter,
    InstanceFilter,
    Paging,
    RunFilter,
    VersionFilter,
)
from application.views import (
    ActivityView,
    AlertView,
    ComparisonView,
    DatasetVersionView,
    DatasetView,
    DefinitionView,
    Direction,
    GateReportView,
    HistoryView,
    ImpactView,
    InstanceView,
    LineageView,
    MetricPointView,
    MonitoringView,
    Page,
    ProductionView,
    ProjectionStatus,
    RunBriefView,
    RunView,
    SearchHitView,
    VersionView,
)
from domain.alert_rules import AlertRule
from domain.shared.activity import StreamKey
from domain.shared.references import DefinitionRef, NodeRef
from domain.shared.times import LogMoment
from infrastructure.views.comparison import compared
from infrastructure.views.references import candidates
from infrastructure.views.searching import search
from projections.activity import reads as activity
from projections.datasets import reads as datasets
from projections.engine.keeping import Keeper
from projections.engine.paging import Paged
from projections.engine.snapshot import Snapshot, Snapshots
from projections.lineage import reads as lineage
from projections.lineage.reads import Reached
from projections.monitoring import alerts as alerts_of
from projections.monitoring import reads as monitoring
from projections.registry import reads as registry
from projections.runs import reads as runs

_REGISTRY = ("registry", "runs", "activity")
_RUNS = ("runs", "activity")
_DATASETS = ("datasets", "activity")
_ALERTS = ("monitoring", "activity")
_MONITORING = ("monitoring", *_REGISTRY)
_ACTIVITY = ("activity",)


class ViewQueries:
    """`application.queries.Queries` over the views that a keeper knows."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._open = Snapshots(keeper).open
        self._graphs = lineage.Graphs()

    def wait(self, position: int, timeout_s: float, tenant: str | None = None) -> None:
        """Wait until every view has this position, of one tenant or of all; raises ProjectionBehind."""
        self._keeper.wait(position, timeout_s, tenant)

    def moment_of(self, time: datetime) -> LogMoment:
        """The last position recorded by then."""
        return LogMoment(self._keeper.log.position_at(time))

    def projections(self) -> tuple[ProjectionStatus, ...]:
        """Where each projection stands."""
        return self._keeper.status()

    # --- definitions ---

    def definitions(
        self, tenant: str, filters: DefinitionFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[DefinitionView]:
        """Definition versions by name, then in the order they were submitted."""
        paged = Paged(paging, "definitions", tenant, filters)
        with self._open(tenant, _REGISTRY, paged.moment(at)) as snapshot:
            return registry.definitions(snapshot, filters, paged, _streams(snapshot))

    def definition(
        self, tenant: str, name: str, version: str, at: LogMoment | None = None
    ) -> DefinitionView | None:
        """One definition version."""
        with self._open(tenant, _REGISTRY, at) as snapshot:
            return registry.definition(snapshot, name, version, _streams(snapshot))

    # --- instances ---

    def instances(
        self, tenant: str, filters: InstanceFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[InstanceView]:
        """Instances by name."""
        paged = Paged(paging, "instances", tenant, filters)
        with self._open(tenant, _REGISTRY, paged.moment(at)) as snapshot:
            return registry.instances(snapshot, filters, paged, _streams(snapshot), _briefs(snapshot))

    def instance(self, tenant: str, name: str, at: LogMoment | None = None) -> InstanceView | None:
        """One instance."""
        with self._open(tenant, _REGISTRY, at) as snapshot:
            return registry.instance(snapshot, name, _streams(snapshot), _briefs(snapshot))

    # --- runs ---

    def runs(
        self, tenant: str, filters: RunFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[RunView]:
        """Runs, as `filters.sort` says. Raises FilterMalformed."""
        paged = Paged(paging, "runs", tenant, filters)
        with self._open(tenant, _RUNS, paged.moment(at)) as snapshot:
            number = self._keeper.store.json_number
            return runs.runs(snapshot, filters, paged, _streams(snapshot), number)

    def run(self, tenant: str, run_id: str, at: LogMoment | None = None) -> RunView | None:
        """One run."""
        with self._open(tenant, _RUNS, at) as snapshot:
            return runs.run(snapshot, run_id, _streams(snapshot))

    def compare_runs(
        self, tenant: str, run_ids: tuple[str, ...], at: LogMoment | None = None
    ) -> ComparisonView:
        """Runs side by side, in the order given; unknown ids are left out."""
        with self._open(tenant, _RUNS, at) as snapshot:
            return compared(runs.several(snapshot, run_ids, _streams(snapshot)), snapshot.at)

    def metric_series(
        self,
        tenant: str,
        run_id: str,
        names: tuple[str, ...] = (),
        at: LogMoment | None = None,
        points_max: int | None = None,
    ) -> tuple[MetricPointView, ...]:
        """The points of a run's series (or of the named ones) by name, step and time of logging."""
        with self._open(tenant, ("runs",), at) as snapshot:
            return runs.series(snapshot, run_id, names, points_max)

    # --- versions ---

    def versions(
        self, tenant: str, filters: VersionFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[VersionView]:
        """Model versions by instance, newest number first."""
        paged = Paged(paging, "versions", tenant, filters)
        with self._open(tenant, _REGISTRY, paged.moment(at)) as snapshot:
            return registry.versions(snapshot, filters, paged, _streams(snapshot))

    def version(
        self, tenant: str, instance: str, number: int, at: LogMoment | None = None
    ) -> VersionView | None:
        """One model version."""
        with self._open(tenant, _REGISTRY, at) as snapshot:
            return registry.version(snapshot, instance, number, _streams(snapshot))

    def production_at(self, tenant: str, instance: str, at: LogMoment | None = None) -> ProductionView | None:
        """Which version was in production, who put it there, when and why; None if there was none."""
        with self._open(tenant, ("registry",), at) as snapshot:
            return registry.production_at(snapshot, instance)

    def production_history(
        self, tenant: str, instance: str, at: LogMoment | None = None
    ) -> tuple[ProductionView, ...]:
        """All times in production up to the moment, oldest first."""
        with self._open(tenant, ("registry",), at) as snapshot:
            return registry.production_history(snapshot, instance)

    def gate_reports(
        self, tenant: str, target: str, at: LogMoment | None = None
    ) -> tuple[GateReportView, ...]:
        """All verdicts on a target such as `model_version:spx-alpha@3`, oldest first."""
        with self._open(tenant, ("registry",), at) as snapshot:
            return registry.gate_reports(snapshot, target)

    # --- datasets ---

    def datasets(
        self, tenant: str, filters: DatasetFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[DatasetView]:
        """Datasets by name."""
        paged = Paged(paging, "datasets", tenant, filters)
        with self._open(tenant, _DATASETS, paged.moment(at)) as snapshot:
            return datasets.datasets(snapshot, filters, paged, _streams(snapshot))

    def dataset(self, tenant: str, name: str, at: LogMoment | None = None) -> DatasetView | None:
        """One dataset."""
        with self._open(tenant, _DATASETS, at) as snapshot:
            return datasets.dataset(snapshot, name, _streams(snapshot))

    def dataset_versions(
        self, tenant: str, dataset: str, paging: Paging, at: LogMoment | None = None
    ) -> Page[DatasetVersionView]:
        """Versions of a dataset, newest first."""
        paged = Paged(paging, "dataset_versions", tenant, dataset)
        with self._open(tenant, _DATASETS, paged.moment(at)) as snapshot:
            return datasets.dataset_versions(snapshot, dataset, paged, _streams(snapshot))

    def dataset_version(
        self, tenant: str, dataset: str, number: int, at: LogMoment | None = None
    ) -> DatasetVersionView | None:
        """One version of a dataset."""
        with self._open(tenant, _DATASETS, at) as snapshot:
            return datasets.dataset_version(snapshot, dataset, number, _streams(snapshot))

    def newest_dataset_version(
        self, tenant: str, dataset: str, at: LogMoment | None = None
    ) -> DatasetVersionView | None:
        """The newest verified version, purged or not."""
        with self._open(tenant, _DATASETS, at) as snapshot:
            return datasets.newest(snapshot, dataset, _streams(snapshot))

    # --- monitoring ---

    def alerts(
        self, tenant: str, filters: AlertFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[AlertView]:
        """Alerts, the one raised last first."""
        paged = Paged(paging, "alerts", tenant, filters)
        with self._open(tenant, _ALERTS, paged.moment(at)) as snapshot:
            return alerts_of.alerts(snapshot, filters, paged, _streams(snapshot))

    def alert(self, tenant: str, alert_id: str, at: LogMoment | None = None) -> AlertView | None:
        """One alert."""
        with self._open(tenant, _ALERTS, at) as snapshot:
            return alerts_of.alert(snapshot, alert_id, _streams(snapshot))

    def monitoring(
        self, tenant: str, instance: str, at: LogMoment | None = None, runs_max: int = 100
    ) -> MonitoringView | None:
        """What the last monitoring runs of an instance measured; None if there is no such instance."""
        runs_max = Paged(Paging(limit=runs_max), "monitoring").limit
        with self._open(tenant, _MONITORING, at) as snapshot:
            streams = _streams(snapshot)
            known = registry.instance(snapshot, instance, streams, _briefs(snapshot))
            if known is None:
                return None
            return MonitoringView(
                instance=instance,
                rules=_rules(snapshot, known),
                alerts=alerts_of.open_alerts(snapshot, instance, streams),
                **monitoring.measured(snapshot, instance, runs_max)._asdict(),
                position=snapshot.at,
            )

    # --- lineage ---

    def lineage(
        self,
        tenant: str,
        node: NodeRef,
        direction: Direction = "both",
        depth: int | None = None,
        at: LogMoment | None = None,
        *,
        extends: bool = False,
    ) -> LineageView | None:
        """Where a node came from and what came of it, within `depth` hops."""
        with self._open(tenant, ("lineage",), at) as snapshot:
            return lineage.lineage(snapshot, self._graphs, node, direction, depth, extends=extends)

    def impact(
        self, tenant: str, of: str, at: LogMoment | None = None, *, extends: bool = False
    ) -> ImpactView | None:
        """Everything downstream of a node, a definition version or an instance."""
        with self._open(tenant, ("lineage", *_REGISTRY), at) as snapshot:
            reached = self._reached(snapshot, of, extends=extends)
            return None if reached is None else _impact(snapshot, of, reached)

    def _reached(self, snapshot: Snapshot, of: str, *, extends: bool) -> Reached | None:
        if ":" in of:
            node = NodeRef.parse(of)
            return lineage.downstream_of_node(snapshot, self._graphs, node, extends=extends)
        streams = _streams(snapshot)
        if "@" in of:
            ref = DefinitionRef.parse(of)
            if registry.definition(snapshot, ref.name, ref.version, streams) is None:
                return None
            return lineage.downstream_of_definition(snapshot, self._graphs, of, extends=extends)
        if registry.instance(snapshot, of, streams, _briefs(snapshot)) is None:
            return None
        return lineage.downstream_of_instance(snapshot, self._graphs, of, extends=extends)

    # --- activity ---

    def activity(
        self, tenant: str, filters: ActivityFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[ActivityView]:
        """Events, newest first unless the filter says otherwise."""
        paged = Paged(paging, "activity", tenant, filters)
        with self._open(tenant, _ACTIVITY, paged.moment(at)) as snapshot:
            return activity.activity(snapshot, filters, paged)

    def event(self, tenant: str, position: int) -> ActivityView | None:
        """The event at a position."""
        with self._open(tenant, _ACTIVITY, None) as snapshot:
            return activity.event(snapshot, position)

    def history(
        self, tenant: str, ref: str, paging: Paging, at: LogMoment | None = None
    ) -> HistoryView | None:
        """The whole history of a resource and of what belongs to it, in words and events, oldest first."""
        paged = Paged(paging, "history", tenant, ref)
        with self._open(tenant, _ACTIVITY, paged.moment(at)) as snapshot:
            for resource_type, identity in candidates(ref):
                if activity.is_known(snapshot, resource_type, identity):
                    events = activity.history(snapshot, resource_type, identity, paged)
                    return HistoryView(ref=ref, resource_type=resource_type, events=events)
            return None

    def search(
        self, tenant: str, q: str, at: LogMoment | None = None, limit: int = 50
    ) -> tuple[SearchHitView, ...]:
        """Definitions, instances, versions, datasets and runs whose name or id contains `q`."""
        with self._open(tenant, ("registry", "runs", "datasets"), at) as snapshot:
            return search(snapshot, q, Paged(Paging(limit=limit), "search").limit)


def _rules(snapshot: Snapshot, known: InstanceView) -> tuple[AlertRule, ...]:
    """The instance's own rules or, where it has none of its own, those of its definition version."""
    own, ref = known.specification.alert_rules, known.definition
    if own is not UNSET:
        return own
    definition = registry.definition(snapshot, ref.name, ref.version, _streams(snapshot))
    return (definition.manifest.alerts or ()) if definition else ()


def _streams(snapshot: Snapshot) -> Any:
    def versions(streams: Sequence[StreamKey]) -> dict[StreamKey, int]:
        return activity.stream_versions(snapshot, streams)

    return versions


def _briefs(snapshot: Snapshot) -> Any:
    def briefs(run_ids: Sequence[str]) -> dict[str, RunBriefView]:
        return runs.briefs(snapshot, run_ids)

    return briefs


def _impact(snapshot: Snapshot, of: str, reached: Reached) -> ImpactView:
    def ids(*types: str) -> tuple[str, ...]:
        return tuple(node.id for node in reached.nodes if node.type in types)

    models = ids("model_version")
    run_nodes = (node for node in reached.nodes if node.type.endswith("_run"))
    return ImpactView(
        of=of,
        counts=reached.counts,
        model_versions=models,
        in_production=registry.in_production(snapshot, models),
        dataset_versions=ids("dataset_version"),
        runs=tuple(f"{node.type}:{node.id}" for node in run_nodes),
        instances=tuple(sorted({node.instance for node in reached.nodes if node.instance})),
        truncated=reached.truncated,
        position=snapshot.at,
    )
