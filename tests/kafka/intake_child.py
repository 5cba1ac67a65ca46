"""An intake in a process of its own: `python -m tests.kafka.intake_child URL BOOTSTRAP PREFIX FOLDER`.

It imports what the role needs and nothing of the tests' clients: many of it are started.
"""

import signal
import sys
import threading
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from application.bus import Bus
from application.context import Services
from application.handlers import HANDLERS
from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.artifacts.store import FolderArtifactStore
from infrastructure.datasets.store import FolderDatasetStore
from infrastructure.identities import SystemIds
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.intake_role import CommandIntake
from infrastructure.kafka.topics import Topics
from infrastructure.settings import CommandSource
from tests.support.adapters import KnownPackages, LogLookups, WeekdaySessions

TENANTS = tuple(f"tenant-{number}" for number in range(12))
SOURCES = {
    f"/optaic/{tenant}/datahub": CommandSource(tenant=tenant, principal="service:datahub")
    for tenant in ("acme", *TENANTS)
}


def bus_on(log: Any, folder: Path) -> Bus:
    """The real handlers on a log."""
    services = Services(
        log=log,
        artifacts=FolderArtifactStore(folder / "artifacts"),
        datasets=FolderDatasetStore(folder / "datasets", zone_of=lambda _: ZoneInfo("UTC"), locations={}),
        packages=KnownPackages(),
        sessions=WeekdaySessions(),
        lookups=LogLookups(log),
        clock=SystemClock(),
        ids=SystemIds(),
    )
    return Bus(services, HANDLERS)


def main(url: str, bootstrap: str, prefix: str, folder: str) -> None:
    """Take commands until told to end, or killed."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    topics = Topics.prefixed(prefix)
    log = open_postgres_log(url, SystemClock())
    bus = bus_on(log, Path(folder))
    role = CommandIntake(bus, Kafka(bootstrap), SOURCES, topics=topics, group=f"{topics.commands}.intake")
    role.start()
    while role.failure is None and not ending.wait(0.2):
        print(role.status(), flush=True)
    role.stop()
    log.close()
    if role.failure is not None:
        raise role.failure


if __name__ == "__main__":
    main(*sys.argv[1:])
