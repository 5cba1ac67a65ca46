"""Which partition a tenant's messages lie in: the rule of Java's client, kafka-python and murmur2_random."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from domain.shared.activity import RecordedEvent

_SEED, _M, _R = 0x9747B28C, 0x5BD1E995, 24
_32 = 0xFFFFFFFF


class PartitionPage(NamedTuple):
    """The next events of a partition."""

    partition: int
    events: Sequence[RecordedEvent]
    next_offset: int
    """Where a reader of the partition goes on behind them."""


@lru_cache(maxsize=65_536)
def partition_of(tenant: str, partitions: int) -> int:
    """The partition of a tenant in a topic with so many."""
    return (murmur2(tenant.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit MurmurHash2 of a key, unsigned."""
    whole = len(data) & ~3
    found = _SEED ^ len(data)
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _M & _32
        word = (word ^ (word >> _R)) * _M & _32
        found = found * _M & _32 ^ word
    if rest := data[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * _M & _32
    found = (found ^ (found >> 13)) * _M & _32
    return found ^ (found >> 15)
