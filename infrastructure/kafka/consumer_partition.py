"""One partition of the activity topic, from messages to rows: no thread, no client, no clock.

A page of messages becomes a page of events: what was folded before is dropped, what is missing is read from
the log, and the views take the page together with the offset behind it. Nothing is ever skipped: a message
that cannot be read, or is of another log, stops the partition in front of it.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from domain.shared.activity import RecordedEvent
from domain.shared.errors import Kind, RuleBroken
from infrastructure.activity_log.record import Row
from infrastructure.kafka.holes import ChainBroken, HoleDetector, Place, partition_previous
from infrastructure.kafka.messages import ActivityMessage, MessageDamaged, MessageMalformed, from_message
from infrastructure.kafka.partitions import PartitionPage
from projections.engine.errors import ViewFenced

PAGE = 2_000
"""How many events that are missing are read from the log at once."""
T = TypeVar("T")


class MessageOfAnotherLog(RuleBroken):
    """The topic holds events of another life of the log: a store was restored, or two services share it."""

    kind = Kind.UNAVAILABLE
    remedy = "Fill a new topic from this log (`republish --from 0`), or point the role at the right one."


class EventUnreadable(RuleBroken):
    """The record is whole, and its payload is not of the form of its topic."""

    kind = Kind.UNAVAILABLE
    remedy = "This is a fault of the code that wrote it: deploy code that can read the event, or an upcast."


STOPPING = (MessageMalformed, MessageDamaged, MessageOfAnotherLog, ChainBroken, EventUnreadable)
"""What stops a partition in front of a message, until somebody has looked."""


class Page(NamedTuple):
    """Rows to fold together."""

    rows: Sequence[Row]
    offset: int
    """Where to go on if only some of them are folded."""
    next_offset: int
    """Where to go on when all are."""


class Fetched(NamedTuple):
    """A message as a client hands it out."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | str | None]]


class Resume(Protocol):
    """Where a partition goes on."""

    @property
    def offset(self) -> int | None:
        """The next message; None: from the topic's beginning."""
        ...

    @property
    def position(self) -> int:
        """Everything of this partition's tenants up to here is folded."""
        ...


class PartitionedViews(Protocol):
    """The views that a partition's events are folded into; `infrastructure.views` has them."""

    def assigned(self, partition: int) -> Resume:
        """Take the partition over from whoever had it."""
        ...

    def apply(self, pages: Sequence[PartitionPage]) -> Mapping[int, ViewFenced]:
        """Fold and commit, one page a partition at most; returns those that another process has now."""
        ...

    def revoked(self, partition: int) -> None:
        """Forget what is held in memory for the partition; nothing is written."""
        ...


class LogRows(Protocol):
    """The log, from which missing events are read."""

    def rows(self, after: int, limit: int) -> Sequence[Row]:
        """Stored rows in order of position."""
        ...


class Events(Protocol):
    """Makes events of rows (`activity_log.reading.EventReader`)."""

    def events(self, rows: Sequence[Row]) -> Sequence[RecordedEvent]:
        """Unknown topics give `event=None`."""
        ...


class Source(NamedTuple):
    """What all partitions read with."""

    log: LogRows
    events: Events
    epoch: str
    """The life of the log that the views belong to."""
    partition_of: Callable[[str], int]
    """Tenant → partition."""
    on_hole: Callable[[int, int, int], None]
    """Told of a hole: partition, the last position before it, the position behind it."""


class PartitionConsumer:
    """Makes pages of one partition from where its views stand."""

    def __init__(self, partition: int, source: Source, resume: Resume) -> None:
        self.partition = partition
        self._source = source
        self._holes = HoleDetector(resume.position)

    @property
    def position(self) -> int:
        """The last event of the pages that were handed out."""
        return self._holes.position

    def pages(self, messages: Sequence[Fetched]) -> Generator[PartitionPage]:
        """What the next messages of the partition say, each page to be folded before the next is asked for.

        Raises what stops the partition (`STOPPING`) behind everything before it. If a page cannot be folded
        this object is worth nothing: the truth is in the database.
        """
        for page in self._pages(messages):
            if page.rows:
                yield from self._decoded(page)

    def _pages(self, messages: Sequence[Fetched]) -> Generator[Page]:
        rows: list[Row] = []
        offset = next_offset = messages[0].offset
        for message in messages:
            try:
                activity, chained = self._read(message)
                place = self._holes.place(activity, chained)
            except STOPPING:
                yield Page(rows, offset, next_offset)
                raise
            if place is Place.BEYOND_A_HOLE:
                yield Page(rows, offset, next_offset)
                yield from self._missing(activity, chained, next_offset)
                rows, offset = [], next_offset
            if place is not Place.REPEATED:
                rows.append(activity.row)
                self._holes.advance(activity.position, activity.tenant)
            next_offset = message.offset + 1
        yield Page(rows, offset, next_offset)

    def _read(self, message: Fetched) -> tuple[ActivityMessage, int | None]:
        activity = from_message(message.headers, message.key, message.value)
        if activity.epoch != self._source.epoch:
            detail = f"position {activity.position} is of the log {activity.epoch}, not {self._source.epoch}"
            raise MessageOfAnotherLog(detail, position=activity.position, epoch=activity.epoch)
        return activity, partition_previous(message.headers)

    def _missing(self, found: ActivityMessage, chained: int | None, next_offset: int) -> Generator[Page]:
        """What is missing before a message, from the log. Raises ChainBroken if it is not there."""
        after = self._holes.position
        self._source.on_hole(self.partition, after, found.position)
        while after < found.position - 1 and (page := self._source.log.rows(after, PAGE)):
            after = page[-1][0]
            mine = [row for row in page if row[0] < found.position and self._is_mine(row)]
            for row in mine:
                self._holes.advance(row[0], row[2])
            yield Page(mine, next_offset, next_offset)
        if self._holes.place(found, chained) is not Place.NEXT:
            detail = f"{found.position} follows {max(found.previous, chained or 0)}, which the log lacks"
            raise ChainBroken(detail, position=found.position)

    def _is_mine(self, row: Row) -> bool:
        return self._source.partition_of(row[2]) == self.partition

    def _decoded(self, page: Page) -> Generator[PartitionPage]:
        """If an event of the page cannot be decoded, those before it are; it is not passed over."""
        try:
            events = self._source.events.events(page.rows)
        except msgspec.MsgspecError as error:
            if len(page.rows) == 1:
                position, topic = page.rows[0][0], page.rows[0][7]
                detail = f"position {position} is no {topic}: {error}"
                raise EventUnreadable(detail, position=position, topic=topic) from error
            for row in page.rows:
                yield from self._decoded(Page([row], page.offset, page.offset))
        else:
            yield PartitionPage(self.partition, events, page.next_offset)


def by_partition(messages: Iterable[tuple[int, T]]) -> dict[int, list[T]]:
    """Group, each partition's messages in their order."""
    found: dict[int, list[T]] = {}
    for partition, message in messages:
        found.setdefault(partition, []).append(message)
    return found
