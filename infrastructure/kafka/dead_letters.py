"""Messages that are no commands of ours: put aside as they came, with the reason beside them."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from infrastructure.kafka.cloud_events import Headers, RawHeaders

PREFIX = "dlq-"
_DETAIL_MOST = 1_000


class Reason(StrEnum):
    """Why a message was put aside."""

    MALFORMED = "malformed"
    """No CloudEvent, or no envelope of a command, or both disagree."""
    OVERSIZED = "oversized"
    """Larger than what `POST /commands` takes."""
    UNKNOWN_COMMAND = "unknown_command"
    """No command has this type."""
    FOREIGN_TENANT = "foreign_tenant"
    """The source is not one of the settings', or the key is not its tenant."""
    NOT_ALLOWED = "not_allowed"
    """A command of the service itself, or of a run's worker."""
    FAILED = "failed"
    """The service failed on it, again and again; what it did, if anything, stands in the log."""


class Record(NamedTuple):
    """A message of the commands topic, as the client handed it out."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: RawHeaders | None


class PutAside(Exception):
    """This message is not taken."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def headers_of(record: Record, aside: PutAside, at: datetime) -> Headers:
    """The headers of a dead letter: those that it came with, then why and from where it was put aside."""
    ours = {
        "reason": aside.reason.value,
        "detail": aside.detail[:_DETAIL_MOST],
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "time": at.isoformat(),
    }
    came = [(name, _bytes(value)) for name, value in record.headers or ()]
    return [*came, *((f"{PREFIX}{name}", text.encode(errors="replace")) for name, text in ours.items())]


def _bytes(value: bytes | str | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
