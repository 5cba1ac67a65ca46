"""A process of the role `project` under test:
`python -m tests.kafka.consumer_child URL BOOTSTRAP TOPIC GROUP INSTANCE OUT VIEWS`.

It imports what the role needs and nothing of the tests' clients: many of it are started.
"""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.payload import Decoder
from infrastructure.activity_log.reading import EventReader
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.kafka.clients import Kafka
from infrastructure.kafka.consumers import AWAY, Consumed, Consumers
from infrastructure.kafka.relay_progress import read_epoch
from infrastructure.postgres.connections import engine
from projections.engine.projection import Projection
from tests.kafka.plain_views import PlainViews

if TYPE_CHECKING:
    from infrastructure.views.partitioned import PartitionedViews


def made_consumers(
    url: str,
    bootstrap: str,
    topic: str,
    group: str,
    instance: str | None = None,
    projections: Sequence[Projection] | None = None,
) -> tuple[Consumers, Callable[[], None]]:
    """Consumers into the plain views, or into views of the service; and what gives their connections back."""
    log = open_postgres_log(url, SystemClock())
    views = PlainViews(url) if projections is None else _of_the_service(url, projections)
    reader = engine(url, application_name="test")
    epoch = read_epoch(reader)
    reader.dispose()
    consumed = Consumed(views, log, EventReader(Decoder()), epoch)
    consumers = Consumers(Kafka(bootstrap), consumed, AWAY, topic=topic, group=group, instance=instance)

    def close() -> None:
        views.close()
        log.close()

    return consumers, close


def _of_the_service(url: str, projections: Sequence[Projection]) -> "PartitionedViews":
    from infrastructure.views import open_partitioned_views

    return open_partitioned_views(url, projections=projections)


def _projections() -> Sequence[Projection]:
    from infrastructure.views import PROJECTIONS

    return PROJECTIONS


def main(url: str, bootstrap: str, topic: str, group: str, instance: str, out: str, views: str) -> None:
    """Fold until told to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    consumers, close = made_consumers(
        url, bootstrap, topic, group, instance or None, _projections() if views == "service" else None
    )
    consumers.start()
    status = Path(out)
    while not ended.wait(0.05) and consumers.failure is None:
        aside = status.with_suffix(".aside")
        aside.write_text(consumers.status().detail, "utf-8")
        aside.rename(status)
    consumers.stop()
    close()
    if consumers.failure is not None:
        raise consumers.failure


if __name__ == "__main__":
    main(*sys.argv[1:])
