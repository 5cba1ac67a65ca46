"""The only wiring: settings in, a running service out."""

import sys
from dataclasses import dataclass
from pathlib import Path

from application.bus import Bus
from application.context import Services
from application.handlers import HANDLERS
from application.policies import POLICIES
from application.policies.context import PolicyContext
from application.policies.runner import PolicyRunner
from application.queries import Queries
from infrastructure.activity_log import SqliteActivityLog, open_activity_log
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.artifacts.store import FolderArtifactStore
from infrastructure.calendars import ExchangeSessions
from infrastructure.datasets.store import FolderDatasetStore
from infrastructure.execution import LocalExecutor, Surroundings
from infrastructure.guardrail_measures.measurer import ParquetMeasurer
from infrastructure.identities import SystemIds
from infrastructure.leases import Leases
from infrastructure.packages import ZipPackages
from infrastructure.policy_progress import PolicyProgressFile
from infrastructure.settings import Settings
from infrastructure.view_lookups import ViewLookups
from infrastructure.views import Views, open_views
from infrastructure.work_source import ServiceWork


@dataclass(frozen=True, kw_only=True)
class Service:
    """Everything that a way in needs, and the one way to end it."""

    settings: Settings
    bus: Bus
    queries: Queries
    views: Views
    log: SqliteActivityLog
    artifacts: FolderArtifactStore
    datasets: FolderDatasetStore
    sessions: ExchangeSessions
    executor: LocalExecutor
    policies: PolicyRunner
    leases: Leases

    def close(self) -> None:
        """End in order: leases, run processes, policies, views, log."""
        self.leases.close()
        self.executor.close()
        self.policies.stop()
        self.views.close()
        self.log.close()


def open_service(settings: Settings) -> Service:
    """Own the data folder and start everything on it.

    Raises LogOwnedElsewhere if another process owns it, and what opening the log may raise.
    """
    data = settings.data
    data.mkdir(parents=True, exist_ok=True)
    clock, ids = SystemClock(), SystemIds()
    log = open_activity_log(log_path(data), clock)
    views = open_views(views_path(data), log)
    artifacts = FolderArtifactStore(artifacts_path(data))
    sessions = ExchangeSessions()
    datasets = FolderDatasetStore(datasets_path(data), zone_of=sessions.zone, locations=settings.locations)
    services = Services(
        log=log,
        artifacts=artifacts,
        datasets=datasets,
        packages=ZipPackages(artifacts),
        sessions=sessions,
        lookups=ViewLookups(views.queries, settings.wait_s_max),
        clock=clock,
        ids=ids,
    )
    bus = Bus(services, HANDLERS)
    around = Surroundings(
        source=ServiceWork(services=services, bus=bus, queries=views.queries, tenant=settings.tenant),
        artifacts=artifacts,
        datasets=datasets,
        sessions=sessions,
        measurer=ParquetMeasurer(),
        python=settings.python or Path(sys.executable),
    )
    executor = LocalExecutor(around, data / "runs", slots=settings.run_slots)
    leases = Leases(bus, views.queries, clock, settings.tenant)
    policies = PolicyRunner(
        POLICIES,
        PolicyContext(services=services, bus=bus, executor=executor),
        PolicyProgressFile(data / "policies.json"),
    )
    views.start()
    policies.start()
    executor.start()
    leases.start()
    return Service(
        settings=settings,
        bus=bus,
        queries=views.queries,
        views=views,
        log=log,
        artifacts=artifacts,
        datasets=datasets,
        sessions=sessions,
        executor=executor,
        policies=policies,
        leases=leases,
    )


def log_path(data: Path) -> Path:
    """The activity log of a data folder."""
    return data / "log.sqlite"


def views_path(data: Path) -> Path:
    """The views of a data folder; they can be rebuilt from the log."""
    return data / "views.sqlite"


def artifacts_path(data: Path) -> Path:
    """The artifacts of a data folder."""
    return data / "artifacts"


def datasets_path(data: Path) -> Path:
    """The dataset files of a data folder."""
    return data / "datasets"
