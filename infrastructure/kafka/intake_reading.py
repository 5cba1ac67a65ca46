"""From a message of the commands topic to a command and who sends it, or to the reason why not.

A command's data is the envelope of `POST /commands`. `ce_id` is its command id and `ce_type` its type with
`optaic.mlops.command.` in front; `correlationid`, `causationid` and `reason` may stand in either place. What
both name must be the same. `onbehalfof` is an attribute only: the person is recorded, never authorised by.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from application.bus import Sender
from domain.catalogue import COMMANDS
from domain.shared.activity import Actor
from domain.shared.command import Command, CommandMessage
from domain.shared.errors import CommandMalformed
from infrastructure.http.bodies import decoded_exactly
from infrastructure.kafka.cloud_events import JSON, STRUCTURED, CloudEvent, MessageMalformed, read
from infrastructure.kafka.dead_letters import PutAside, Reason, Record

TYPE_PREFIX = "optaic.mlops.command."
METHOD = "kafka"
BYTES_MOST = 1 << 20
"""The largest command: what `POST /commands` takes."""
_PERSON_MOST = 200


class Source(Protocol):
    """Whom the commands of one CloudEvents source come from."""

    @property
    def tenant(self) -> str:
        """The tenant that they are for."""
        ...

    @property
    def principal(self) -> str:
        """`service:<name>`."""
        ...


class Asked(NamedTuple):
    """A command and who sends it."""

    command: Command
    sender: Sender
    command_id: UUID

    @property
    def correlation_id(self) -> UUID:
        """What its events and its result carry."""
        return self.sender.correlation_id or self.command_id


class Reader:
    """Reads messages by the trust that the settings give to sources."""

    def __init__(self, sources: Mapping[str, Source], bytes_most: int = BYTES_MOST) -> None:
        self._sources = sources
        self._bytes_most = bytes_most

    def read(self, record: Record) -> Asked:
        """What is asked. Raises PutAside."""
        size = len(record.value or b"")
        if size > self._bytes_most:
            raise PutAside(Reason.OVERSIZED, f"the message has {size} bytes, the limit is {self._bytes_most}")
        try:
            event = read(record.headers, record.value)
            source = self._trusted(event, record.key)
            kind = _kind(event)
            message = _envelope(event)
            command_id = _uuid(event.id, "id")
            _check_agreement(event, message, command_id)
            return Asked(_command(message, kind), _sender(event, message, command_id, source), command_id)
        except (MessageMalformed, CommandMalformed) as error:
            raise PutAside(Reason.MALFORMED, error.detail) from error

    def _trusted(self, event: CloudEvent, key: bytes | None) -> Source:
        source = self._sources.get(event.source)
        if source is None:
            raise PutAside(Reason.FOREIGN_TENANT, f"no setting names the source {event.source[:200]!r}")
        if key != source.tenant.encode():
            detail = f"the key is {(key or b'')[:100]!r}, but {event.source} sends for {source.tenant!r}"
            raise PutAside(Reason.FOREIGN_TENANT, detail)
        return source


def _kind(event: CloudEvent) -> type[Command]:
    kind = COMMANDS.get(event.type.removeprefix(TYPE_PREFIX)) if event.type.startswith(TYPE_PREFIX) else None
    if kind is None:
        raise PutAside(Reason.UNKNOWN_COMMAND, f"there is no command {event.type[:200]!r}")
    if kind.INTERNAL or kind.WORKER:
        whose = "the service's own" if kind.INTERNAL else "a run's worker's, by HTTP with its token"
        raise PutAside(Reason.NOT_ALLOWED, f"{kind.TYPE} is {whose}")
    return kind


def _envelope(event: CloudEvent) -> CommandMessage:
    media = (event.get("datacontenttype") or JSON).partition(";")[0].strip().lower()
    if media not in (JSON, STRUCTURED):
        raise MessageMalformed(f"the data is {media[:100]!r}, not {JSON}")
    return decoded_exactly(event.data, CommandMessage)


def _command(message: CommandMessage, kind: type[Command]) -> Command:
    try:
        return msgspec.json.decode(message.data, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise CommandMalformed(f"data: {error}") from error


def _sender(event: CloudEvent, message: CommandMessage, command_id: UUID, source: Source) -> Sender:
    correlation = _either(event, "correlationid", message.correlation_id)
    causation = _either(event, "causationid", message.causation_id)
    return Sender(
        tenant=source.tenant,
        actor=Actor(principal=source.principal, method=METHOD, on_behalf_of=_person(event)),
        command_id=command_id,
        looks_first=False,
        is_decoded=True,
        reason=_printable(_either(event, "reason", message.reason), "reason"),
        correlation_id=_uuid(correlation, "correlationid") if correlation else None,
        causation_id=_uuid(causation, "causationid") if causation else None,
        expected_versions=message.expected_versions,
    )


def _check_agreement(event: CloudEvent, message: CommandMessage, command_id: UUID) -> None:
    if _uuid(message.command_id, "command_id") != command_id:
        raise CommandMalformed(f"command_id {message.command_id} is not the event's id {event.id}")
    if TYPE_PREFIX + message.type != event.type:
        raise CommandMalformed(f"the envelope's type {message.type[:100]!r} is not that of {event.type}")


def _either(event: CloudEvent, name: str, inside: str | None) -> str | None:
    outside = event.get(name)
    if outside is not None and inside is not None and outside != inside:
        raise CommandMalformed(
            f"{name} is {outside[:100]!r} as attribute and {inside[:100]!r} in the envelope"
        )
    return inside if outside is None else outside


def _person(event: CloudEvent) -> str | None:
    person = _printable(event.get("onbehalfof"), "onbehalfof")
    if person is not None and not 0 < len(person) <= _PERSON_MOST:
        raise CommandMalformed(f"onbehalfof has {len(person)} characters, 1 to {_PERSON_MOST} are allowed")
    return person


def _printable(text: str | None, name: str) -> str | None:
    if text is not None and "\x00" in text:
        raise CommandMalformed(f"{name} holds a NUL character")
    return text


def _uuid(text: str, name: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise CommandMalformed(f"{name} {text[:80]!r} is not a UUID") from None
