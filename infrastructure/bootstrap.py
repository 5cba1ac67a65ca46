"""The only wiring: settings in, a running service out."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy.exc import DatabaseError, OperationalError

from application.bus import Bus
from application.context import Services
from application.handlers import HANDLERS
from application.policies import POLICIES
from application.policies.context import PolicyContext
from application.policies.runner import PolicyRunner
from application.ports import Executor
from application.queries import Queries
from application.schedules.scheduler import Scheduler
from domain.shared.errors import Kind, RuleBroken
from infrastructure.activity_log import DatabaseActivityLog, open_activity_log
from infrastructure.activity_log.errors import LogFileForeign
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.artifacts.store import FolderArtifactStore, StoredArtifacts
from infrastructure.calendars import ExchangeSessions
from infrastructure.datasets.store import FolderDatasetStore, StoredDatasets
from infrastructure.execution import LocalExecutor, Surroundings
from infrastructure.guardrail_measures.measurer import ParquetMeasurer
from infrastructure.identities import SystemIds
from infrastructure.leases import Leases
from infrastructure.observability.seams import ObservedBus, observe_appends
from infrastructure.packages import ZipPackages
from infrastructure.policy_progress import PolicyProgressFile
from infrastructure.processes.sandbox_levels import open_sandbox
from infrastructure.run_progress import ProgressBoard, ProgressInMemory
from infrastructure.schedules.agenda import ViewAgenda
from infrastructure.schedules.progress import SlotProgressFile
from infrastructure.schedules.ticking import Ticking
from infrastructure.settings import Settings
from infrastructure.views import ViewReader, Views, open_views
from infrastructure.work_source import ServiceWork


class DataFolderUnusable(RuleBroken, resource="data_folder"):
    """The data folder cannot be made or used."""

    kind = Kind.UNAVAILABLE
    remedy = "Name a folder that this user may write to, with --data or OPTAIC_MLOPS_DATA."


class ViewsUnreadable(RuleBroken):
    """The file of the views is damaged, or no such file."""

    kind = Kind.UNAVAILABLE
    remedy = "Move the file, its -wal and its -shm away; the next start folds the views afresh from the log."


class Executing(Executor, Protocol):
    """An executor as HTTP asks it: what it runs itself, or what its workers said."""

    def progress(self, run_id: str) -> tuple[float, str] | None:
        """How far a run is, 0 to 1, and what it does; None if nothing is known."""
        ...

    def log_path(self, run_id: str) -> Path | None:
        """What a run has printed so far; None if it does not run here."""
        ...

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing runs here; False when the time is over first."""
        ...


class Renewing(Protocol):
    """Leases as HTTP needs them."""

    def renew(self, run_id: str) -> None:
        """The run was heard of."""
        ...


@dataclass(frozen=True, kw_only=True)
class Service:
    """Everything that a way in needs, and the one way to end it."""

    settings: Settings
    bus: Bus
    queries: Queries
    views: Views | ViewReader
    log: DatabaseActivityLog
    artifacts: StoredArtifacts
    datasets: StoredDatasets
    sessions: ExchangeSessions
    executor: Executing
    leases: Renewing
    progress: ProgressBoard
    opened: ExitStack

    def close(self) -> None:
        """End in order: leases, run processes, policies, views, log; twice is once."""
        self.opened.close()


def open_service(settings: Settings) -> Service:
    """Own the data folder and start everything on it; whatever fails, nothing stays open.

    Raises DataFolderUnusable, LogOwnedElsewhere if another process owns it, LogFileForeign, ViewsUnreadable,
    PolicyProgressUnreadable, and what else opening the log may raise.
    """
    opened = ExitStack()
    try:
        service, starts = _wired(settings, opened)
        for start in starts:
            start()
    except BaseException:
        opened.close()
        raise
    return service


def _wired(settings: Settings, opened: ExitStack) -> tuple[Service, Sequence[Callable[[], None]]]:
    """The parts, and what starts them, in order; `opened` ends them in the opposite order."""
    data = _made(settings.data)
    clock, ids = SystemClock(), SystemIds()
    with _said_of(log_path(data), LogFileForeign):
        log = open_activity_log(log_path(data), clock)
    opened.callback(log.close)
    with _said_of(views_path(data), ViewsUnreadable):
        views = open_views(views_path(data), log)
    opened.callback(views.close)
    artifacts = FolderArtifactStore(artifacts_path(data))
    sessions = ExchangeSessions()
    datasets = FolderDatasetStore(datasets_path(data), zone_of=sessions.zone, locations=settings.locations)
    services = Services(
        log=log,
        artifacts=artifacts,
        datasets=datasets,
        packages=ZipPackages(artifacts),
        sessions=sessions,
        lookups=views.lookups,
        clock=clock,
        ids=ids,
    )
    bus = ObservedBus(services, HANDLERS)
    observe_appends(log.commit)
    executor = _executor(settings, services, bus, views, sessions)
    policies = PolicyRunner(
        POLICIES,
        PolicyContext(services=services, bus=bus, executor=executor),
        PolicyProgressFile(data / "policies.json", log, clock),
    )
    agenda = ViewAgenda(views.projector.store, views.wait)
    slots = SlotProgressFile(data / "schedules.json", log)
    schedules = Ticking(Scheduler(services, bus, agenda, slots), clock)
    leases = Leases(bus, views.queries, log, clock, lambda: (settings.tenant,))
    for close in (policies.stop, executor.close, schedules.stop, leases.close):
        opened.callback(close)
    service = Service(
        settings=settings,
        bus=bus,
        queries=views.queries,
        views=views,
        log=log,
        artifacts=artifacts,
        datasets=datasets,
        sessions=sessions,
        executor=executor,
        leases=leases,
        progress=ProgressInMemory(),
        opened=opened,
    )
    return service, (views.start, policies.start, executor.start, schedules.start, leases.start)


def _made(data: Path) -> Path:
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataFolderUnusable(f"{data}: {error.strerror}", folder=str(data)) from None
    return data


@contextmanager
def _said_of(path: Path, damaged: type[RuleBroken]) -> Generator[None]:
    """What the database says of a file, in our words: it is damaged, or the system did not let us."""
    try:
        yield
    except OperationalError as error:
        raise DataFolderUnusable(f"{path}: {error.orig}", folder=str(path.parent)) from error
    except DatabaseError as error:
        raise damaged(f"{path}: {error.orig}", file=str(path)) from error


def _executor(
    settings: Settings, services: Services, bus: Bus, views: Views, sessions: ExchangeSessions
) -> LocalExecutor:
    around = Surroundings(
        source=ServiceWork(
            services=services,
            bus=bus,
            queries=views.queries,
            tenants=lambda: (settings.tenant,),
            official_level=settings.official_sandbox,
        ),
        artifacts=services.artifacts,
        datasets=services.datasets,
        sessions=sessions,
        measurer=ParquetMeasurer(),
        python=settings.python or Path(sys.executable),
        sandbox=open_sandbox(settings.sandbox, (settings.data.resolve(),)),
    )
    return LocalExecutor(around, settings.data / "runs", slots=settings.run_slots)


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
