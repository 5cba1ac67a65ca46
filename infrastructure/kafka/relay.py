"""One step of the relay: the next page of the log to Kafka, then the fenced progress. No I/O of its own.

Order: within a partition messages are handed over in log order, and progress moves only when every message
up to there is acknowledged. So whatever dies in between, a message is sent again, never left out; those who
read drop what they have by position.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from domain.shared.errors import Kind, RuleBroken
from infrastructure.activity_log.record import Row
from infrastructure.failpoints import hit
from infrastructure.kafka.cloud_events import Message
from infrastructure.kafka.holes import PartitionChain
from infrastructure.kafka.messages import to_message

PAGE = 4_000


class RelayFenced(RuleBroken):
    """Another relay has taken over; this one stops publishing."""

    kind = Kind.UNAVAILABLE
    remedy = "Nothing: the other one publishes. At most one relay works at a time, others stand by."


class RelayGapFound(RuleBroken):
    """The log does not go on where the relay stands: positions are dense, so it was changed from outside."""

    kind = Kind.UNAVAILABLE
    remedy = "Run verify, and restore the log from a backup or from Kafka."


UNKNOWN_OFFSET = -1
"""Of an event that was published into a topic that is gone."""


class Delivered(NamedTuple):
    """The last message of a partition that was acknowledged."""

    position: int
    offset: int


class Standing(NamedTuple):
    """Where the relay stands by its rows."""

    position: int
    """All up to here is on Kafka."""
    partitions: int
    """The number of partitions that everybody reckons with."""
    delivered: Mapping[int, Delivered]
    """Partition → the last event there."""


class LogPages(Protocol):
    """The log as the relay reads it."""

    def rows(self, after: int, limit: int) -> Sequence[Row]:
        """The next stored rows in order of position."""
        ...


class Producer(Protocol):
    """Sends messages; those of one partition arrive in the order in which they were handed over."""

    def send(self, message: Message, position: int, at_ms: int) -> None:
        """Hand over; returns at once. Raises DeliveryFailed."""
        ...

    def settle(self) -> Mapping[int, Delivered]:
        """Wait until all is acknowledged: the last of each partition. Raises DeliveryFailed, RelayFenced."""
        ...


class ProgressRows(Protocol):
    """The relay's rows, each change fenced by position and owner."""

    def tenants(self, names: Iterable[str]) -> Mapping[str, int]:
        """The last published position of tenants; those without one are left out."""
        ...

    def move(
        self, expected: int, to: int, delivered: Mapping[int, Delivered], tenants: Mapping[str, int]
    ) -> None:
        """Move on from `expected`, all rows in one transaction. Raises RelayFenced."""
        ...


class RelayStep:
    """Publishes from a position on. After an error it is thrown away: a new one goes on from the rows."""

    def __init__(
        self,
        log: LogPages,
        progress: ProgressRows,
        producer: Producer,
        *,
        epoch: str,
        position: int,
        page: int = PAGE,
        chain: PartitionChain | None = None,
    ) -> None:
        """`chain` begins at `Standing.delivered`; None: only the tenants' chains are published."""
        self._log = log
        self._progress = progress
        self._producer = producer
        self._epoch = epoch
        self._size = page
        self._chain = chain
        self._last_of = dict[str, int]()
        self._ahead: Sequence[Row] | None = None
        self.position = position
        """All up to here is on Kafka, by the rows."""
        self.oldest_us: int | None = None
        """When the oldest event of the page in hand was recorded; None without one."""

    def run(self) -> int:
        """Publish the next page and move the progress; returns the number of messages."""
        rows = self._read(self.position) if self._ahead is None else self._ahead
        self._ahead = None
        if not rows:
            self.oldest_us = None
            return 0
        self.oldest_us, last = rows[0][17], rows[-1][0]
        self._learn({row[2] for row in rows})
        tenants = self._send(rows)
        hit("relay.after_produce")
        if len(rows) == self._size:
            self._ahead = self._read(last)
        delivered = self._producer.settle()
        hit("relay.before_progress")
        self._progress.move(self.position, last, delivered, tenants)
        hit("relay.after_progress")
        self.position = last
        return len(rows)

    def _read(self, after: int) -> Sequence[Row]:
        rows = self._log.rows(after, self._size)
        for due, row in enumerate(rows, after + 1):
            if row[0] != due:
                raise RelayGapFound(f"after position {due - 1} comes {row[0]}", position=due)
        hit("relay.after_read")
        return rows

    def _send(self, rows: Sequence[Row]) -> Mapping[str, int]:
        """Make and hand over one message after the other: thousands held at once would busy the collector."""
        tenants: dict[str, int] = {}
        for row in rows:
            position, tenant = row[0], row[2]
            message = to_message(row, self._last_of.get(tenant, 0), self._epoch)
            if self._chain is not None:
                message.headers.append(self._chain.link(tenant, position))
            self._producer.send(message, position, row[17] // 1000)
            self._last_of[tenant] = tenants[tenant] = position
        return tenants

    def _learn(self, tenants: set[str]) -> None:
        unknown = [tenant for tenant in tenants if tenant not in self._last_of]
        if unknown:
            known = self._progress.tenants(unknown)
            if any(position > self.position for position in known.values()):
                raise RelayFenced("another relay has published beyond this one's position")
            self._last_of.update({tenant: known.get(tenant, 0) for tenant in unknown})
