"""What the consumers say of themselves to who watches them."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from infrastructure.kafka.consumer_partition import PartitionedViews
from infrastructure.observability.metrics import (
    HOLES,
    PROJECTION_LAG_EVENTS,
    PROJECTION_LAG_SECONDS,
    PROJECTION_POSITION,
    PROJECTION_STOPPED,
)

_ASK_S = 1.0
_logger = logging.getLogger(__name__)


class StatedViews(PartitionedViews, Protocol):
    """Views that say which of them stopped."""

    @property
    def names(self) -> Sequence[str]:
        """Every view."""
        ...

    def stopped(self) -> Mapping[str, str]:
        """Views that met an event they cannot fold, and what it was."""
        ...


class Observer:
    """Sets the metrics of all views and of the partitions that are held here."""

    def __init__(self, views: StatedViews, clock: Callable[[], float] = time.monotonic) -> None:
        self._views = views
        self._clock = clock
        self._asked = -_ASK_S
        self._names = tuple(views.names)
        self._stopped: Mapping[str, str] = {}

    def stopped(self) -> Mapping[str, str]:
        """Views that stopped, and why; asked once a second, from any thread."""
        if self._clock() - self._asked >= _ASK_S:
            self._asked = self._clock()
            with suppress(RuntimeError):  # partitions came or went meanwhile: the next second will do
                self._tell(dict(self._views.stopped()))
        return self._stopped

    def _tell(self, stopped: Mapping[str, str]) -> None:
        for name in self._names:
            PROJECTION_STOPPED.labels(name).set(int(name in stopped))
            if name in stopped and name not in self._stopped:
                _logger.error("the view %s stopped, the others go on: %s", name, stopped[name])
        self._stopped = stopped

    def folded(self, partition: int, position: int, behind: int, recorded_at_ms: int) -> None:
        """A page was folded: its last position, how many messages wait, when its newest was recorded."""
        stopped = self.stopped()
        age_s = max(0.0, time.time() - recorded_at_ms / 1000)
        for name in self._names:
            if name not in stopped:
                PROJECTION_POSITION.labels(name, str(partition)).set(position)
                PROJECTION_LAG_EVENTS.labels(name, str(partition)).set(behind)
                PROJECTION_LAG_SECONDS.labels(name, str(partition)).set(age_s)

    def forget(self, partitions: Iterable[int]) -> None:
        """The partitions are another's: its figures are the ones to look at."""
        for metric in (PROJECTION_POSITION, PROJECTION_LAG_EVENTS, PROJECTION_LAG_SECONDS):
            for partition in partitions:
                for name in self._names:
                    with suppress(KeyError):
                        metric.remove(name, str(partition))


def hole_found(partition: int, after: int, until: int) -> None:
    """A message names a predecessor that never came: loud, because somebody took it away."""
    HOLES.inc()
    _logger.error(
        "partition %d: events between %d and %d are missing on the topic and are read from the log; find out "
        "who removed messages, and run `republish` for the other readers",
        partition,
        after,
        until,
    )
