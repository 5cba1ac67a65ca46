"""The partitions that a consumer holds, from the group's giving to its taking: no thread and no client.

Who may write is decided by the views' progress rows in the database, the group only says who should try. A
partition is therefore in one of three states: *folding*; *waiting*, because the database is away or another
process took the rows over while the group still calls them ours; *stopped* in front of a message that nobody
may pass over. A waiting partition is held at the client, so that the group is answered meanwhile, and taken
again from the offset that lies with the rows.
"""

import logging
import random
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from domain.shared.errors import RuleBroken
from infrastructure.failpoints import hit
from infrastructure.kafka.consumer_partition import (
    STOPPING,
    Fetched,
    PartitionConsumer,
    PartitionedViews,
    Source,
)
from infrastructure.kafka.partitions import PartitionPage

RETRY_S, RETRY_MOST_S = 0.1, 2.0
"""The first and the longest pause before a partition is taken again, less up to half by chance."""
RETAKE_S = 4.0
"""How long a partition that another process took is left to it: longer than the group needs to tell us."""
_logger = logging.getLogger(__name__)


class FlowBroken(Exception):
    """The client could not do it now; the partition waits and is taken again."""


class Flow(Protocol):
    """What the group's client does with a partition that it was given."""

    def go_on(self, partition: int, offset: int | None) -> None:
        """Fetch from this offset on; None: from the beginning. Raises FlowBroken."""
        ...

    def hold(self, partition: int) -> None:
        """Fetch nothing for now; the partition stays ours."""
        ...


class State(StrEnum):
    """How a partition stands."""

    FOLDING = "folding"
    WAITING = "waiting"
    STOPPED = "stopped"


@dataclass
class Held:
    """A partition that the group gave to this consumer."""

    consumer: PartitionConsumer | None = None
    stopped: RuleBroken | None = None
    cause: str = ""
    due: float = 0.0
    attempts: int = 0

    @property
    def state(self) -> State:
        """How it stands."""
        if self.stopped is not None:
            return State.STOPPED
        return State.WAITING if self.consumer is None else State.FOLDING


class Assignment:
    """Takes partitions over, folds what comes, and takes them again after a trouble. One thread at a time."""

    def __init__(
        self,
        views: PartitionedViews,
        source: Source,
        away: tuple[type[Exception], ...],
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.held: dict[int, Held] = {}
        self._views = views
        self._source = source
        self._away = away
        """What the driver raises when the database does not answer."""
        self._clock = clock
        self._chance = chance

    def gained(self, partitions: Iterable[int]) -> Mapping[int, int | None]:
        """The group gave these: take them over. Returns the offsets of those that could be taken."""
        offsets: dict[int, int | None] = {}
        for partition in partitions:
            self.held[partition] = Held()
            self._take_over(partition, lambda number, offset: offsets.update({number: offset}))
        return offsets

    def lost(self, partitions: Iterable[int]) -> None:
        """The group took these away: forget them, the rows are another's now."""
        for partition in partitions:
            if self.held.pop(partition, None) is not None:
                self._views.revoked(partition)

    def take(self, fetched: Mapping[int, Sequence[Fetched]], flow: Flow) -> Mapping[int, int]:
        """Fold messages of several partitions; returns the positions of those that have them all. Messages of
        the others are left for later.
        """
        streams = {
            partition: held.consumer.pages(fetched[partition])
            for partition, held in self.held.items()
            if partition in fetched and held.consumer is not None and held.stopped is None
        }
        taken = tuple(streams)
        while pages := self._next(streams, flow):
            self._apply(pages, flow)
        return {partition: position for partition in taken if (position := self._reached(partition))}

    def _next(self, streams: dict[int, Generator[PartitionPage]], flow: Flow) -> list[PartitionPage]:
        """The next page of each partition that has one and is still folded."""
        pages: list[PartitionPage] = []
        for partition, stream in tuple(streams.items()):
            held = self.held[partition]
            page = None
            try:
                if held.state is State.FOLDING:
                    page = next(stream, None)
            except STOPPING as stopping:
                self._stop(partition, held, stopping)
                flow.hold(partition)
            except self._away as error:
                self._put_off(partition, _said(error), self._pause(held), flow)
            if page is None:
                del streams[partition]
            else:
                pages.append(page)
        return pages

    def _apply(self, pages: Sequence[PartitionPage], flow: Flow) -> None:
        hit("consumer.before_apply")
        try:
            fenced = self._views.apply(pages)
        except self._away as error:
            for page in pages:
                self._put_off(page.partition, _said(error), self._pause(self.held[page.partition]), flow)
            return
        hit("consumer.after_apply")
        for page in pages:
            if page.partition in fenced:
                self._put_off(page.partition, str(fenced[page.partition]), RETAKE_S, flow)
            else:
                self.held[page.partition].attempts = 0

    def _reached(self, partition: int) -> int | None:
        """Where a partition that is folded stands."""
        held = self.held[partition]
        return held.consumer.position if held.consumer is not None and held.stopped is None else None

    def begin_again(self, cause: str, flow: Flow) -> None:
        """Let every partition that is folded be taken again, from the offset that lies with its rows."""
        for partition, held in self.held.items():
            if held.state is State.FOLDING:
                self._put_off(partition, cause, 0.0, flow)

    def retry(self, flow: Flow) -> None:
        """Take those again whose pause is over."""
        now = self._clock()
        for partition, held in self.held.items():
            if held.state is State.WAITING and held.due <= now:
                self._take_over(partition, flow.go_on)

    def _take_over(self, partition: int, taken: Callable[[int, int | None], None]) -> None:
        held = self.held[partition]
        try:
            resume = self._views.assigned(partition)
            taken(partition, _overlapping(resume.offset))
        except (FlowBroken, *self._away) as error:
            self._wait(partition, held, _said(error), self._pause(held))
        else:
            held.consumer = PartitionConsumer(partition, self._source, resume)
            held.cause = ""

    def _pause(self, held: Held) -> float:
        longest = min(RETRY_MOST_S, RETRY_S * 2**held.attempts)
        held.attempts = min(held.attempts + 1, 16)
        return longest * (1 - self._chance() / 2)

    def _wait(self, partition: int, held: Held, cause: str, pause_s: float) -> None:
        _logger.warning("partition %d waits %.1f s: %s", partition, pause_s, cause)
        self._views.revoked(partition)
        held.consumer = None
        held.cause = cause
        held.due = self._clock() + pause_s

    def _put_off(self, partition: int, cause: str, pause_s: float, flow: Flow) -> None:
        """Wait with a partition that was being fetched."""
        self._wait(partition, self.held[partition], cause, pause_s)
        flow.hold(partition)

    def _stop(self, partition: int, held: Held, stopping: RuleBroken) -> None:
        _logger.error("partition %d stopped: %s: %s", partition, stopping.code, stopping.detail)
        self._views.revoked(partition)
        held.stopped = stopping
        held.cause = f"{stopping.code}: {stopping.detail} {stopping.remedy}"


def _overlapping(offset: int | None) -> int | None:
    """The last message that was folded, once more: it is dropped as repeated. If the topic was replaced
    meanwhile another one lies there, and shows what is missing though nothing may follow it.
    """
    return offset - 1 if offset else offset


def _said(error: Exception) -> str:
    """One line of what a driver has to say."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]
