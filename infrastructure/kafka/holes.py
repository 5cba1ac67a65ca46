"""Finds what is missing in a partition before anything behind the gap is folded.

Two chains run through a partition. `previous` names the tenant's event before this one: any service can
follow it. `ce_partitionprevious` names the event before this one in the same partition: with it a gap shows
at the very next message, whosever that is, and also right after a restart, when no tenant has been seen yet.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, auto

from domain.shared.errors import Kind, RuleBroken
from infrastructure.kafka.cloud_events import MessageMalformed
from infrastructure.kafka.messages import ActivityMessage
from infrastructure.kafka.partitions import partition_of

PARTITION_PREVIOUS = "ce_partitionprevious"


class ChainBroken(RuleBroken):
    """An event is missing that lies before others that are already folded, or that the log itself lacks."""

    kind = Kind.UNAVAILABLE
    remedy = "Run `verify`; if the log is whole, `rebuild --all` folds the views afresh from the log."


class Place(Enum):
    """Where a message stands to what a partition has already."""

    REPEATED = auto()
    """Delivered again: it is folded already."""
    NEXT = auto()
    """Nothing is missing before it."""
    BEYOND_A_HOLE = auto()
    """Something is missing before it, and lies behind everything that is folded."""


class HoleDetector:
    """The chains of one partition from where an assignment resumed.

    `position` is the last event that the partition has; up to there everything is folded.
    """

    def __init__(self, position: int) -> None:
        self.position = position
        self._seen: dict[str, int] = {}

    def place(self, message: ActivityMessage, partition_previous: int | None) -> Place:
        """Judge the next message. Raises ChainBroken for a hole that can no longer be filled in order."""
        if message.position <= self.position:
            return Place.REPEATED
        if max(message.previous, partition_previous or 0) > self.position:
            return Place.BEYOND_A_HOLE
        seen = self._seen.get(message.tenant)
        if seen is not None and message.previous > seen:
            detail = (
                f"{message.position} follows {message.previous} in its tenant, of which {seen} was the last "
                f"that came; the partition is at {self.position} already"
            )
            raise ChainBroken(detail, position=message.position, previous=message.previous, seen=seen)
        return Place.NEXT

    def advance(self, position: int, tenant: str) -> None:
        """The partition has this event now."""
        self.position = position
        self._seen[tenant] = position


class PartitionChain:
    """The publisher's side: names to each message the one before it in its partition."""

    def __init__(self, partitions: int, last: Mapping[int, int]) -> None:
        """`last`: the last published position of each partition that has one."""
        self._partitions = partitions
        self._last = dict(last)

    @classmethod
    def after(cls, tenants: Mapping[str, int], partitions: int) -> "PartitionChain":
        """From the last published position of every tenant."""
        last: dict[int, int] = {}
        for tenant, position in tenants.items():
            partition = partition_of(tenant, partitions)
            last[partition] = max(position, last.get(partition, 0))
        return cls(partitions, last)

    @property
    def last(self) -> Mapping[int, int]:
        """The last published position of each partition that has one."""
        return self._last

    def link(self, tenant: str, position: int) -> tuple[str, bytes]:
        """The header of the next message in log order."""
        partition = partition_of(tenant, self._partitions)
        former = self._last.get(partition, 0)
        self._last[partition] = position
        return PARTITION_PREVIOUS, f"{former:020d}".encode()


def partition_previous(headers: Sequence[tuple[str, bytes | str | None]]) -> int | None:
    """The place of the partition's event before this one; None where the publisher does not say. It stands
    last or near it, and of two the last counts. Raises MessageMalformed.
    """
    for name, value in reversed(headers):
        if name == PARTITION_PREVIOUS and value:
            try:
                return int(value)
            except ValueError as error:
                raise MessageMalformed(f"{name} is {value!r}", header=name) from error
    return None
