"""Any command in one envelope, the same as on Kafka."""

from uuid import UUID

import msgspec
from fastapi import APIRouter, Request, Response

from application.bus import Sender
from domain.access.roles import includes
from domain.catalogue import COMMANDS
from domain.shared.command import Command, CommandMessage
from domain.shared.errors import CommandMalformed, CommandUnknown
from infrastructure.http.bodies import JsonBody, decoded_exactly
from infrastructure.http.errors import CommandNotFromOutside
from infrastructure.http.reading import identity_of
from infrastructure.http.results import Written
from infrastructure.http.route_roles import OVERRIDE_ROLE, needed_for
from infrastructure.http.schemas import answers, exact_body
from infrastructure.http.writing import Writer

router = APIRouter(tags=["commands"])

_WORK_GOES_ON = ("submit_definition", "evaluate_definition", "submit_run")
_CREATED = ("create_instance", "create_dataset", "write_dataset_version", "register_dataset_version")


@router.post(
    "/commands",
    openapi_extra=exact_body(CommandMessage),
    **answers(Written, 200, 201, 202, refusals=[404, 409, 410, 412, 413, 415, 422]),
)
def send_command(request: Request, content: JsonBody) -> Response:
    """Send any command that may come from outside; docs/commands.md lists them."""
    message = decoded_exactly(content, CommandMessage)
    command = _command(message)
    service, identity = request.app.state.service, identity_of(request)
    require = request.app.state.entrance.require
    require(identity, needed_for(command), message.type)
    sender = _sender(message, request)
    outcome = service.bus.send(command, sender)
    status = 202 if message.type in _WORK_GOES_ON else 201 if message.type in _CREATED else 200
    correlation_id = sender.correlation_id or UUID(int=0)
    writer = Writer(service, identity, UUID(message.command_id), False, correlation_id, None, require)
    return writer.answer(outcome, status=status)


def _command(message: CommandMessage) -> Command:
    """Raises CommandUnknown, CommandNotFromOutside, CommandMalformed."""
    of = COMMANDS.get(message.type)
    if of is None:
        raise CommandUnknown(f"there is no command {message.type!r}", known=sorted(COMMANDS))
    if of.INTERNAL or of.WORKER:
        raise CommandNotFromOutside(f"{message.type} cannot be sent here")
    try:
        return msgspec.json.decode(message.data, type=of)
    except (msgspec.DecodeError, RecursionError) as error:
        raise CommandMalformed(f"data: {error}") from None


def _sender(message: CommandMessage, request: Request) -> Sender:
    identity = identity_of(request)
    correlation = message.correlation_id
    return Sender(
        tenant=identity.tenant,
        actor=identity.actor,
        may_override=includes(identity.role, OVERRIDE_ROLE),
        command_id=_uuid(message.command_id, "command_id"),
        is_decoded=True,
        reason=message.reason,
        correlation_id=_uuid(correlation, "correlation_id")
        if correlation
        else request.scope["correlation_id"],
        causation_id=_uuid(message.causation_id, "causation_id") if message.causation_id else None,
        expected_versions=message.expected_versions,
    )


def _uuid(text: str, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise CommandMalformed(f"{field} {text[:80]!r} is not a UUID", path=f"$.{field}") from None
