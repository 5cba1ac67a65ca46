"""A process of the role `project` under test:
`python -m tests.kafka.consumer_child URL BOOTSTRAP TOPIC GROUP INSTANCE OUT VIEWS`.
"""

import logging
import signal
import sys
import threading
from pathlib import Path

from infrastructure.views import PROJECTIONS
from tests.kafka.consumer_desk import made_consumers


def main(url: str, bootstrap: str, topic: str, group: str, instance: str, out: str, views: str) -> None:
    """Fold until told to end."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    consumers, close = made_consumers(
        url, bootstrap, topic, group, instance or None, PROJECTIONS if views == "service" else None
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
