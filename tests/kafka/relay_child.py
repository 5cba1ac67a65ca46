"""A relay in a process of its own: `python -m tests.kafka.relay_child URL BOOTSTRAP PREFIX SILENCE_S`."""

import sys
import threading

from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.relay_role import Relay
from infrastructure.kafka.topics import Topics


def main(url: str, bootstrap: str, prefix: str, silence_s: str) -> None:
    """Publish until killed."""
    log = open_postgres_log(url, SystemClock())
    relay = Relay(
        log, url, Kafka(bootstrap), topics=Topics.prefixed(prefix), silence_s=float(silence_s), page=100
    )
    relay.start()
    while relay.failure is None:
        threading.Event().wait(0.2)
        print(relay.status(), flush=True)
    raise relay.failure


if __name__ == "__main__":
    main(*sys.argv[1:])
