"""An intake in a process of its own: `python -m tests.kafka.intake_child URL BOOTSTRAP PREFIX FOLDER`."""

import signal
import sys
import threading
from pathlib import Path

from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.intake_role import CommandIntake
from infrastructure.kafka.topics import Topics
from tests.kafka.intake_desk import SOURCES, bus_on


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
