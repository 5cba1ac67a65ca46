"""The thread that lets the scheduler tick, once in each minute of its clock."""

import logging
import threading
from datetime import datetime

from application.ports import Clock
from application.schedules.scheduler import Scheduler

_LOOK_S = 0.25
_log = logging.getLogger(__name__)


class Ticking:
    """Looks at the clock four times a second: slots are whole minutes, so a new minute is a tick."""

    def __init__(self, scheduler: Scheduler, clock: Clock, *, look_s: float = _LOOK_S) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._look_s = look_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="scheduler", daemon=True)

    def start(self) -> None:
        """Begin where the last one stopped. Raises SlotProgressUnreadable."""
        self._scheduler.begin()
        self._thread.start()

    def stop(self) -> None:
        """Finish the tick in hand and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        ticked: datetime | None = None
        while not self._stop.is_set():
            minute = self._clock.now().replace(second=0, microsecond=0)
            if minute != ticked:
                try:
                    self._scheduler.tick()
                    ticked = minute
                except Exception:
                    _log.exception("the scheduler stands and tries again")
            self._stop.wait(self._look_s)
