"""What command handlers ask that no single stream answers: `application.context.Lookups` over the views."""

from collections.abc import Sequence

from domain.shared.references import NodeRef, VersionRef
from domain.shared.times import LogMoment
from projections.engine.keeping import Keeper
from projections.engine.snapshot import Snapshots
from projections.lineage import reads as lineage
from projections.monitoring import alerts
from projections.monitoring import reads as monitoring
from projections.registry import reads as registry
from projections.runs import reads as runs


class ViewLookups:
    """Answers from views that have seen everything up to the position asked for; raises ProjectionBehind."""

    def __init__(self, keeper: Keeper) -> None:
        self._open = Snapshots(keeper).open
        self._graphs = lineage.Graphs()

    def pending_runs(self, tenant: str, instance: str, position: int) -> Sequence[str]:
        """Ids of the instance's pending runs, oldest first."""
        with self._open(tenant, ("runs",), LogMoment(position)) as snapshot:
            return runs.pending(snapshot, instance)

    def instances_following(self, tenant: str, dataset: str, position: int) -> Sequence[str]:
        """Names of instances that may have a schedule after new versions of this dataset, in order."""
        with self._open(tenant, ("registry",), LogMoment(position)) as snapshot:
            return registry.following(snapshot, dataset)

    def runs_telling(
        self, tenant: str, instance: str, metric: str, count: int, position: int
    ) -> Sequence[str]:
        """Ids of the last `count` completed runs of an instance that told a metric, oldest first."""
        with self._open(tenant, ("monitoring",), LogMoment(position)) as snapshot:
            return monitoring.runs_telling(snapshot, instance, metric, count)

    def open_alerts(self, tenant: str, instance: str, position: int) -> Sequence[str]:
        """Ids of the instance's open alerts, oldest first."""
        with self._open(tenant, ("monitoring",), LogMoment(position)) as snapshot:
            return alerts.still_open(snapshot, instance)

    def production_versions_reading(
        self, tenant: str, dataset: str, number: int, position: int
    ) -> Sequence[VersionRef]:
        """Production model versions whose training read this dataset version or a later one built on it."""
        node = NodeRef("dataset_version", f"{dataset}@{number}")
        with self._open(tenant, ("lineage", "registry"), LogMoment(position)) as snapshot:
            models = lineage.models_trained_on(snapshot, self._graphs, node)
            return [VersionRef.parse(ref) for ref in registry.in_production(snapshot, models)]
