"""Tells readers in this process that the log has grown: a condition variable, no polling.

Commits of this process are told by its writer, those of others by the dialect: in any order, some twice.
"""

import logging
import threading
from collections.abc import Callable
from typing import TypeAlias

Listener: TypeAlias = Callable[[int], None]
"""Called with the new head after a commit, in the committing thread: it must return at once."""

_logger = logging.getLogger(__name__)


class HeadSignal:
    """The committed head as readers may rely on it."""

    def __init__(self, position: int) -> None:
        self._position = position
        self._grown = threading.Condition()
        self._listeners: tuple[Listener, ...] = ()
        self._open = True

    @property
    def position(self) -> int:
        """The last committed position."""
        return self._position

    @property
    def is_open(self) -> bool:
        """Whether the log is open."""
        return self._open

    def advance(self, position: int) -> None:
        """The log was committed up to here; what is known already changes nothing."""
        with self._grown:
            if position <= self._position:
                return
            self._position = position
            self._grown.notify_all()
            listeners = self._listeners
        for listener in listeners:
            try:
                listener(position)
            except Exception:
                _logger.exception("a listener of the log failed at position %d", position)

    def wait_beyond(self, position: int, timeout_s: float) -> int:
        """Wait until the head is beyond `position`, time is over or the log is closed; returns the head."""
        with self._grown:
            self._grown.wait_for(lambda: self._position > position or not self._open, timeout_s)
            return self._position

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after each commit; returns what ends that."""
        with self._grown:
            self._listeners = (*self._listeners, listener)

        def remove() -> None:
            with self._grown:
                self._listeners = tuple(each for each in self._listeners if each is not listener)

        return remove

    def close(self) -> None:
        """Wake everyone for the last time."""
        with self._grown:
            self._open = False
            self._grown.notify_all()
