"""A command: one wish, the same over HTTP, Kafka and the CLI; unknown fields are refused."""

from typing import ClassVar

import msgspec


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all commands. `TYPE` is the name on the wire."""

    TYPE: ClassVar[str] = ""
    INTERNAL: ClassVar[bool] = False
    """Sent by the service itself (executor, evaluation, policies), refused from outside."""
    WORKER: ClassVar[bool] = False
    """The worker's side of a run: over HTTP with the run's token, never over Kafka."""
    NEEDS_REASON: ClassVar[bool] = False
    """Changes what runs in production or ends something for good: refused without a reason."""


class CommandMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command in its envelope, as `POST /commands` and Kafka carry it."""

    command_id: str
    type: str
    data: msgspec.Raw
    expected_versions: dict[str, int] = {}
    reason: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
