"""Metric points on their way: gathered in order, sent in batches that the service takes."""

import threading
import time
from collections.abc import Callable, Sequence

from optaic.mlops.runner.protocol import METRIC_POINTS_MAX

Point = tuple[str, int, float]
Send = Callable[[Sequence[Point]], None]

BATCH_BYTES_MAX = 56 * 1024
"""One batch is one event, and an event has at most 64 KiB."""
_POINT_BYTES = 64
"""A point beside its name: keys, step and value as JSON."""
_AGE_S_MAX = 2.0


class MetricBuffer:
    """Holds at most one batch. Whoever adds the point that fills it sends it, and waits: nothing piles up.

    A batch also goes when its first point is two seconds old and another comes. What cannot be sent stays and
    the error is raised; the next flush tries it again, so that nothing held is lost and nothing overtakes it.
    """

    def __init__(self, send: Send, clock: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._clock = clock
        self._lock = threading.Lock()
        self._points: list[Point] = []
        self._bytes = 0
        self._since = 0.0

    def add(self, points: Sequence[Point]) -> None:
        """Take points in their order; raises what sending raises, and then may not have taken the last."""
        with self._lock:
            for point in points:
                size = len(point[0].encode()) + _POINT_BYTES
                if len(self._points) >= METRIC_POINTS_MAX or self._bytes + size > BATCH_BYTES_MAX:
                    self._flush()
                if not self._points:
                    self._since = self._clock()
                self._points.append(point)
                self._bytes += size
            if len(self._points) >= METRIC_POINTS_MAX or self._clock() - self._since >= _AGE_S_MAX:
                self._flush()

    def flush(self) -> None:
        """Send what is held; raises what sending raises."""
        with self._lock:
            self._flush()

    def drop(self) -> None:
        """Forget what is held: its run takes nothing more."""
        with self._lock:
            self._points, self._bytes = [], 0

    def _flush(self) -> None:
        if self._points:
            self._send(self._points)
            self._points, self._bytes = [], 0
