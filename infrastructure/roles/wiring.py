"""What every production role stands on: log, views, stores and bus over PostgreSQL and the shared store."""

import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert

from application.bus import Bus
from application.context import Services
from application.handlers import HANDLERS
from domain.shared.errors import Kind, RuleBroken
from infrastructure.activity_log import DatabaseActivityLog, open_postgres_log
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.artifacts.store import StoredArtifacts
from infrastructure.bootstrap import Service
from infrastructure.calendars import ExchangeSessions
from infrastructure.datasets.store import StoredDatasets
from infrastructure.identities import SystemIds
from infrastructure.observability.seams import ObservedBus, observe_appends
from infrastructure.packages import ZipPackages
from infrastructure.postgres.connections import engine
from infrastructure.postgres.operational import service_secret
from infrastructure.roles.remote_executor import WorkersElsewhere
from infrastructure.roles.run_leases import PostgresLeaseBook
from infrastructure.settings import Settings
from infrastructure.stores import open_stores
from infrastructure.views import ViewReader, open_view_reader
from infrastructure.views.open_work import OpenWork


class SettingMissing(RuleBroken):
    """A production role was started without a setting that it needs."""

    kind = Kind.INVALID
    remedy = "Set it in the role's environment; docs/operations.md lists what each role needs."


@dataclass(frozen=True, kw_only=True)
class Core:
    """The parts that roles share; `opened` ends them in the opposite order."""

    settings: Settings
    database_url: str
    log: DatabaseActivityLog
    views: ViewReader
    artifacts: StoredArtifacts
    datasets: StoredDatasets
    sessions: ExchangeSessions
    services: Services
    bus: Bus
    work: OpenWork
    book: PostgresLeaseBook
    operations: Engine
    clock: SystemClock
    opened: ExitStack


def required(settings: Settings, name: str) -> str:
    """The value of a text setting that this role cannot do without. Raises SettingMissing."""
    value = getattr(settings, name)
    if value is None:
        raise SettingMissing(f"OPTAIC_MLOPS_{name.upper()} is not set", setting=name)
    return value if isinstance(value, str) else value.get_secret_value()


def scratch(settings: Settings, role: str) -> Path:
    """A role's own folder for files in flight; nothing in it has to outlive the process."""
    folder = settings.data / role
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def open_log(settings: Settings, opened: ExitStack) -> DatabaseActivityLog:
    """The activity log in the database of the settings. Raises SettingMissing, and what opening may."""
    log = open_postgres_log(required(settings, "database_url"), SystemClock())
    opened.callback(log.close)
    observe_appends(log.commit)
    return log


def open_core(settings: Settings, opened: ExitStack, *, role: str) -> Core:
    """Open everything; whoever calls closes `opened`, also when this raises.

    Raises SettingMissing, and what log, views and stores raise when they cannot be reached.
    """
    database_url = required(settings, "database_url")
    clock = SystemClock()
    log = open_log(settings, opened)
    operations = engine(database_url, application_name=f"optaic-mlops {role}", pool_size=2)
    opened.callback(operations.dispose)
    views = open_view_reader(database_url, log)
    opened.callback(views.close)
    sessions = ExchangeSessions()
    artifacts, datasets = open_stores(
        store_url=settings.store_url,
        s3_endpoint_url=settings.s3_endpoint_url,
        data=settings.data,
        zone_of=sessions.zone,
        locations=settings.locations,
    )
    services = Services(
        log=log,
        artifacts=artifacts,
        datasets=datasets,
        packages=ZipPackages(artifacts),
        sessions=sessions,
        lookups=views.lookups,
        clock=clock,
        ids=SystemIds(),
    )
    return Core(
        settings=settings,
        database_url=database_url,
        log=log,
        views=views,
        artifacts=artifacts,
        datasets=datasets,
        sessions=sessions,
        services=services,
        bus=ObservedBus(services, HANDLERS),
        work=OpenWork(views.store),
        book=PostgresLeaseBook(operations),
        operations=operations,
        clock=clock,
        opened=opened,
    )


def service_of(core: Core) -> Service:
    """What HTTP works on: the same parts as the embedded service, but nothing runs in this process."""
    return Service(
        settings=core.settings,
        bus=core.bus,
        queries=core.views.queries,
        views=core.views,
        log=core.log,
        artifacts=core.artifacts,
        datasets=core.datasets,
        sessions=core.sessions,
        executor=WorkersElsewhere(core.book),
        leases=core.book,
        progress=core.book,
        opened=core.opened,
    )


def shared_secret(operations: Engine, name: str, size_bytes: int = 32) -> bytes:
    """The secret that all processes share under a name, made by the first that asks."""
    fresh = insert(service_secret).values(name=name, value=secrets.token_bytes(size_bytes))
    with operations.begin() as connection:
        connection.execute(fresh.on_conflict_do_nothing())
        found = select(service_secret.c.value).where(service_secret.c.name == name)
        return bytes(connection.execute(found).scalar_one())
