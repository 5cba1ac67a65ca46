"""Tells waiting requests that the log and its views have grown: one thread a service, no polling."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread

from application.queries import Queries
from domain.shared.errors import ProjectionBehind
from infrastructure.activity_log import DatabaseActivityLog

T = TypeVar("T")
Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]

_logger = logging.getLogger(__name__)


class Feed:
    """What is in the log *and* in all views, for coroutines that wait for more."""

    def __init__(self, log: DatabaseActivityLog, queries: Queries, wait_s: float) -> None:
        self._log = log
        self._queries = queries
        self._wait_s = wait_s
        self._position = 0
        self._waiters: list[Waiter] = []
        self._lock = threading.Lock()
        self._grown = threading.Event()
        self._thread: threading.Thread | None = None
        self.closed = False

    async def beyond(self, position: int, timeout_s: float) -> int:
        """Wait until the views are beyond `position`, the time is over or the feed closed; returns theirs."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._ensure_thread()
            if self._position > position or self.closed:
                return self._position
            grown: asyncio.Future[None] = loop.create_future()
            waiter = (loop, grown)
            self._waiters.append(waiter)
        try:
            await asyncio.wait_for(grown, timeout_s)
        except TimeoutError:
            pass
        finally:
            with self._lock:
                self._waiters = [one for one in self._waiters if one is not waiter]
        return self._position

    async def settled(self, look: Callable[[], T | None], timeout_s: float) -> T | None:
        """Ask again (in a thread) after each growth until there is an answer or the time is over."""
        ends = time.monotonic() + timeout_s
        while True:
            position = self._position
            answer = await to_thread.run_sync(look)
            remaining = ends - time.monotonic()
            if answer is not None or remaining <= 0 or self.closed:
                return answer
            await self.beyond(position, remaining)

    def close(self) -> None:
        """Wake everyone for the last time; before the log is closed."""
        with self._lock:
            self.closed = True
            thread, self._thread = self._thread, None
        self._grown.set()
        self._wake()
        if thread is not None:
            thread.join()

    def _ensure_thread(self) -> None:
        if self._thread is None and not self.closed:
            self._thread = threading.Thread(target=self._follow, name="feed", daemon=True)
            self._thread.start()

    def _follow(self) -> None:
        remove = self._log.add_listener(lambda _: self._grown.set())
        self._grown.set()
        while not self.closed:
            self._grown.wait()
            self._grown.clear()
            head = self._log.head()
            if head > self._position and not self.closed:
                self._advance(head)
        remove()

    def _advance(self, head: int) -> None:
        try:
            self._queries.wait(head, self._wait_s)
        except ProjectionBehind:
            _logger.warning("the views have not reached %d in %g s", head, self._wait_s)
            self._grown.set()
            return
        self._position = head
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            waiters, self._waiters = self._waiters, []
        for loop, grown in waiters:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_finish, grown)


def _finish(grown: asyncio.Future[None]) -> None:
    if not grown.done():
        grown.set_result(None)
