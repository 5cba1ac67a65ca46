"""Group commit: an idle log commits in the caller's own thread, a busy one through one writer thread.

The writer takes what waits, up to a bound, and commits it together: many callers share one sync of the disk.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol, TypeAlias, TypeVar

from application.ports import Outcome
from domain.shared.errors import LogBusy, RuleBroken
from infrastructure.activity_log.batch_writer import Answer
from infrastructure.activity_log.errors import LogClosed
from infrastructure.activity_log.submission import Submission

T = TypeVar("T")

RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """How much one transaction takes, and how many commands may wait for one."""

    commands: int = 256
    events: int = 4_096
    size_bytes: int = 8 * 1024 * 1024
    waiting: int = 4_096


DEFAULT_LIMITS = GroupLimits()


class Ticket(Protocol):
    """A caller who waits for an answer."""

    submission: Submission
    loop: asyncio.AbstractEventLoop | None
    began: float

    def give(self, answer: Answer) -> None:
        """Hand the answer over; an asyncio caller's in its loop's own thread."""
        ...


class ThreadTicket:
    """A caller that waits in its own thread."""

    __slots__ = ("answer", "began", "loop", "ready", "submission")

    def __init__(self, submission: Submission) -> None:
        self.submission = submission
        self.began = perf_counter()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.answer: Answer | None = None
        self.ready = threading.Lock()
        self.ready.acquire()

    def give(self, answer: Answer) -> None:
        """Wake the caller."""
        self.answer = answer
        self.ready.release()

    def wait(self) -> Outcome:
        """The outcome, or the refusal raised."""
        self.ready.acquire()
        return outcome_or_raise(self.answer)


class LoopTicket:
    """A caller that waits in an event loop."""

    __slots__ = ("began", "future", "loop", "submission")

    def __init__(self, submission: Submission, loop: asyncio.AbstractEventLoop) -> None:
        self.submission = submission
        self.began = perf_counter()
        self.loop: asyncio.AbstractEventLoop | None = loop
        self.future: asyncio.Future[Outcome] = loop.create_future()

    def give(self, answer: Answer) -> None:
        """Resolve the future; a caller that was cancelled is past caring."""
        if self.future.done():
            return
        if isinstance(answer, RuleBroken):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)


def outcome_or_raise(answer: Answer | None) -> Outcome:
    """Give an answer to its caller."""
    if isinstance(answer, Outcome):
        return answer
    raise answer or LogClosed("the log was closed before it answered")


Write: TypeAlias = Callable[[Sequence[Submission]], Sequence[Answer]]
Observer: TypeAlias = Callable[[Submission, Answer, float], None]
"""Told of each answer: what was asked, what came of it, and when (`perf_counter`) it was submitted."""


class GroupCommit:
    """Lets any number of threads and event loops share one writer."""

    def __init__(self, write: Write, limits: GroupLimits = DEFAULT_LIMITS) -> None:
        self._write = write
        self._limits = limits
        self._waiting: deque[Ticket] = deque()
        self._busy = False
        self._open = True
        self._alone = 0
        self.observer: Observer | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="activity-log-writer", daemon=True)
        self._thread.start()

    def submit(self, submission: Submission) -> Outcome:
        """Wait for the command's outcome. Raises what refused it, LogBusy, LogClosed."""
        with self._changed:
            self._refuse_if_closed()
            idle = not self._busy and not self._waiting
            if idle:
                self._busy = True
            else:
                ticket = ThreadTicket(submission)
                self._enqueue(ticket)
        if not idle:
            return ticket.wait()
        began = perf_counter()
        try:
            answer = self._write((submission,))[0]
            if self.observer is not None:
                self.observer(submission, answer, began)
            return outcome_or_raise(answer)
        finally:
            self._release()

    async def submit_async(self, submission: Submission) -> Outcome:
        """As `submit`, for an event loop: the loop itself never waits for the disk."""
        ticket = LoopTicket(submission, asyncio.get_running_loop())
        with self._changed:
            self._refuse_if_closed()
            self._enqueue(ticket)
        return await ticket.future

    @property
    def waiting(self) -> int:
        """How many commands wait for the writer."""
        return len(self._waiting)

    def run_alone(self, action: Callable[[], T]) -> T:
        """Run something in the writer's place, with no commit going on beside it. Raises LogClosed."""
        with self._changed:
            self._refuse_if_closed()
            self._alone += 1
            self._changed.wait_for(lambda: not self._busy)
            self._alone -= 1
            self._busy = True
        try:
            return action()
        finally:
            self._release()

    def refuse_all(self) -> None:
        """Refuse every command from now on, without waiting: for a process that only inherited the log."""
        self._changed = threading.Condition()
        self._open = False

    def _refuse_if_closed(self) -> None:
        if not self._open:
            raise LogClosed("the log is closed")

    def _enqueue(self, ticket: Ticket) -> None:
        if len(self._waiting) >= self._limits.waiting:
            raise LogBusy(f"{len(self._waiting)} commands are waiting", retry_after_s=RETRY_AFTER_S)
        self._waiting.append(ticket)
        if not self._busy:
            self._changed.notify_all()

    def _release(self) -> None:
        with self._changed:
            self._busy = False
            if self._waiting or self._alone or not self._open:
                self._changed.notify_all()

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._answer(batch)
            finally:
                self._release()

    def _answer(self, batch: Sequence[Ticket]) -> None:
        answers = self._write([ticket.submission for ticket in batch])
        loops: dict[asyncio.AbstractEventLoop, list[tuple[Ticket, Answer]]] = {}
        for ticket, answer in zip(batch, answers, strict=True):
            if self.observer is not None:
                self.observer(ticket.submission, answer, ticket.began)
            if ticket.loop is None:
                ticket.give(answer)
            else:
                loops.setdefault(ticket.loop, []).append((ticket, answer))
        for loop, answered in loops.items():
            _wake(loop, answered)

    def _next_batch(self) -> list[Ticket]:
        """Wait for work and take as much as one transaction holds; empty when the log is closed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and (self._waiting or not self._open))
            batch: list[Ticket] = []
            events = size = 0
            while self._waiting and len(batch) < self._limits.commands:
                submission = self._waiting[0].submission
                events += len(submission.events)
                size += submission.size_bytes
                if batch and (events > self._limits.events or size > self._limits.size_bytes):
                    break
                batch.append(self._waiting.popleft())
            self._busy = bool(batch)
            return batch

    def close(self) -> None:
        """Refuse new commands and wait until those that wait are written."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        self._thread.join()


def _wake(loop: asyncio.AbstractEventLoop, answered: Sequence[tuple[Ticket, Answer]]) -> None:
    """One call into the loop for a whole batch; a loop that was closed meanwhile has nobody left to tell."""

    def give_all() -> None:
        for ticket, answer in answered:
            ticket.give(answer)

    try:
        loop.call_soon_threadsafe(give_all)
    except RuntimeError:
        if not loop.is_closed():
            raise
