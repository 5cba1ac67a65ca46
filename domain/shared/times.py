"""Two clocks, two types: where the log stood, and what the world knew."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import msgspec

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with an offset; naive times are refused where they are decoded."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class LogMoment:
    """A moment on the log's clock: everything up to and including this position."""

    position: int


@dataclass(frozen=True, slots=True, order=True)
class KnowledgeTime:
    """A moment on the world's clock: what was known then, the moment itself included."""

    at: datetime


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970 UTC, exact (no float on the way)."""
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_micros(micros: int) -> datetime:
    """The UTC time of microseconds since 1970."""
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
