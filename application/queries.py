"""The read side's port. Views are eventually there: `wait` for a position, then ask.

`at` is the log's clock; None means now, the newest position that all views in question have. Items that do
not exist at that moment, or belong to another tenant, are None. A list takes a cursor of its own earlier
page, which carries that page's position; it then takes precedence over `at`.
"""

from datetime import datetime
from typing import Literal, Protocol, Self
from uuid import UUID

import msgspec

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
    RunView,
    SearchHitView,
    VersionView,
)
from domain.shared.errors import Kind, RuleBroken
from domain.shared.references import NodeRef
from domain.shared.times import LogMoment

LIMIT_MAX = 500


class CursorMalformed(RuleBroken):
    """The cursor was not made by this list with these filters."""

    kind = Kind.MALFORMED
    remedy = "Take next_cursor from the page before and repeat its filters, or start without a cursor."


class LimitOutOfRange(RuleBroken):
    """A page holds 1 to 500 items."""

    kind = Kind.MALFORMED
    remedy = "Ask for a limit from 1 to 500 and follow the cursor."


class FilterMalformed(RuleBroken):
    """A filter or sort of a list is not of its form."""

    kind = Kind.MALFORMED
    remedy = (
        "Bounds are gt:, ge:, lt:, le: or eq: and a number; sorts submitted or metric.<name>, '-' descends."
    )


class Paging(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list: at most `limit` (1 to 500) items after `cursor`."""

    limit: int = 50
    cursor: str | None = None


class MetricFilter(msgspec.Struct, frozen=True):
    """A bound on a final metric: `gt:0.02`."""

    name: str
    operator: Literal["gt", "ge", "lt", "le", "eq"]
    value: float

    @classmethod
    def parse(cls, name: str, bound: str) -> Self:
        """Read `gt:0.02`; raises FilterMalformed."""
        operator, _, number = bound.partition(":")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if operator not in ("gt", "ge", "lt", "le", "eq") or value - value != 0:
            raise FilterMalformed(f"{bound!r} is not a bound such as gt:0.02")
        return cls(name, operator, value)


class DefinitionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which definition versions."""

    name: str | None = None
    state: str | None = None
    category: str | None = None


class InstanceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which instances. `definition` is a name or `name@1.2.0`."""

    state: str | None = None
    space: str | None = None
    definition: str | None = None
    owner: str | None = None


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs, in which order: `-submitted` (default), `submitted`, `metric.<name>` or `-metric.<name>`.

    Runs that lack the metric come last in both directions.
    """

    instance: str | None = None
    kind: str | None = None
    state: str | None = None
    metrics: tuple[MetricFilter, ...] = ()
    sort: str = "-submitted"


class VersionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which model versions, newest number first within an instance."""

    instance: str | None = None
    stage: str | None = None


class DatasetFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which datasets."""

    kind: str | None = None
    instance: str | None = None


class AlertFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts. `state`: raised, acknowledged, resolved, or open for the first two; `rule`: its name."""

    instance: str | None = None
    state: str | None = None
    severity: str | None = None
    rule: str | None = None


class ActivityFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events. `since` and `until` are inclusive recording times; `after` is a position, exclusive."""

    resource_type: str | None = None
    resource_id: str | None = None
    actor: str | None = None
    action: str | None = None
    correlation_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: int = 0
    oldest_first: bool = False


class Queries(Protocol):
    """Everything that can be asked. Raises AsOfBeyondLog, ProjectionBehind, CursorMalformed,
    LimitOutOfRange.
    """

    def wait(self, position: int, timeout_s: float, tenant: str | None = None) -> None:
        """Wait until every view has this position, of one tenant or of all; raises ProjectionBehind."""
        ...

    def moment_of(self, time: datetime) -> LogMoment:
        """The last position recorded by then."""
        ...

    def definitions(
        self, tenant: str, filters: DefinitionFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[DefinitionView]:
        """Definition versions by name, then in the order they were submitted."""
        ...

    def definition(
        self, tenant: str, name: str, version: str, at: LogMoment | None = None
    ) -> DefinitionView | None:
        """One definition version."""
        ...

    def instances(
        self, tenant: str, filters: InstanceFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[InstanceView]:
        """Instances by name."""
        ...

    def instance(self, tenant: str, name: str, at: LogMoment | None = None) -> InstanceView | None:
        """One instance."""
        ...

    def runs(
        self, tenant: str, filters: RunFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[RunView]:
        """Runs, as `filters.sort` says. Raises FilterMalformed."""
        ...

    def run(self, tenant: str, run_id: str, at: LogMoment | None = None) -> RunView | None:
        """One run."""
        ...

    def compare_runs(
        self, tenant: str, run_ids: tuple[str, ...], at: LogMoment | None = None
    ) -> ComparisonView:
        """Runs side by side, in the order given; unknown ids are left out."""
        ...

    def metric_series(
        self,
        tenant: str,
        run_id: str,
        names: tuple[str, ...] = (),
        at: LogMoment | None = None,
        points_max: int | None = None,
    ) -> tuple[MetricPointView, ...]:
        """The points of a run's series (or of the named ones) by name, step and time of logging.

        `points_max`: a longer series keeps its first and last point and the extremes of equal buckets.
        """
        ...

    def versions(
        self, tenant: str, filters: VersionFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[VersionView]:
        """Model versions by instance, newest number first."""
        ...

    def version(
        self, tenant: str, instance: str, number: int, at: LogMoment | None = None
    ) -> VersionView | None:
        """One model version."""
        ...

    def production_at(self, tenant: str, instance: str, at: LogMoment | None = None) -> ProductionView | None:
        """Which version was in production, who put it there, when and why; None if there was none."""
        ...

    def production_history(
        self, tenant: str, instance: str, at: LogMoment | None = None
    ) -> tuple[ProductionView, ...]:
        """All times in production up to the moment, oldest first."""
        ...

    def gate_reports(
        self, tenant: str, target: str, at: LogMoment | None = None
    ) -> tuple[GateReportView, ...]:
        """All verdicts on a target such as `model_version:spx-alpha@3`, oldest first."""
        ...

    def datasets(
        self, tenant: str, filters: DatasetFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[DatasetView]:
        """Datasets by name."""
        ...

    def dataset(self, tenant: str, name: str, at: LogMoment | None = None) -> DatasetView | None:
        """One dataset."""
        ...

    def dataset_versions(
        self, tenant: str, dataset: str, paging: Paging, at: LogMoment | None = None
    ) -> Page[DatasetVersionView]:
        """Versions of a dataset, newest first."""
        ...

    def dataset_version(
        self, tenant: str, dataset: str, number: int, at: LogMoment | None = None
    ) -> DatasetVersionView | None:
        """One version of a dataset."""
        ...

    def newest_dataset_version(
        self, tenant: str, dataset: str, at: LogMoment | None = None
    ) -> DatasetVersionView | None:
        """The newest verified version, purged or not: a purged one is an answer, not a reason to read older
        rows.
        """
        ...

    def alerts(
        self, tenant: str, filters: AlertFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[AlertView]:
        """Alerts, the one raised last first."""
        ...

    def alert(self, tenant: str, alert_id: str, at: LogMoment | None = None) -> AlertView | None:
        """One alert."""
        ...

    def monitoring(
        self, tenant: str, instance: str, at: LogMoment | None = None, runs_max: int = 100
    ) -> MonitoringView | None:
        """What the last monitoring runs of an instance measured; None if there is no such instance."""
        ...

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
        """Where a node came from and what came of it, within `depth` hops.

        `extends` edges of prediction datasets are always followed, those of source datasets only with
        `extends=True`.
        """
        ...

    def impact(
        self, tenant: str, of: str, at: LogMoment | None = None, *, extends: bool = False
    ) -> ImpactView | None:
        """Everything downstream of a node (`type:id`), a definition version (`name@1.2.0`) or an instance
        (its name).
        """
        ...

    def activity(
        self, tenant: str, filters: ActivityFilter, paging: Paging, at: LogMoment | None = None
    ) -> Page[ActivityView]:
        """Events, newest first unless the filter says otherwise."""
        ...

    def event(self, tenant: str, position: int) -> ActivityView | None:
        """The event at a position."""
        ...

    def history(
        self, tenant: str, ref: str, paging: Paging, at: LogMoment | None = None
    ) -> HistoryView | None:
        """The whole history of a resource and of what belongs to it, in words and events, oldest first.

        `ref` is a readable reference or `type:id`; `spx-alpha` alone is an instance, else a dataset, else a
        definition, and `spx-alpha@3` a model version, else a dataset version.
        """
        ...

    def search(
        self, tenant: str, q: str, at: LogMoment | None = None, limit: int = 50
    ) -> tuple[SearchHitView, ...]:
        """Definitions, instances, versions, datasets and runs whose name or id contains `q`, in either
        case.
        """
        ...

    def projections(self) -> tuple[ProjectionStatus, ...]:
        """Where each projection stands."""
        ...
