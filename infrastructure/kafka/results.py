"""What became of a command, told on the results topic."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid5

import msgspec

from application.ports import Outcome
from domain.shared.errors import RuleBroken
from infrastructure.http.problems import Problem, problem_of
from infrastructure.kafka.cloud_events import Message, binary
from infrastructure.kafka.messages import source_of

TYPE = "optaic.mlops.command_result"
BYTES_MOST = 900_000
"""Below what a broker takes unless told otherwise; a refusal that is larger loses its facts and report."""


class CommandResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a command. It may come more than once: take the first, they say the same."""

    command_id: UUID
    outcome: Literal["accepted", "unchanged", "refused"]
    """`unchanged`: everything was as asked already, and no event was written."""
    code: str | None = None
    """The rule that refused it; docs/errors.md lists all."""
    problem: Problem | None = None
    """The refusal as over HTTP; where a gate refused, its report is inside."""
    position: int | None = None
    """Last position of the command's events; else where the log stood when it was decided."""
    refs: tuple[str, ...] = ()
    """`type:id` of each resource that the events are about."""
    versions: dict[str, int] = {}
    """Stream version after the command, by the same `type:id`."""


def settled(command_id: UUID, outcome: Outcome) -> CommandResult:
    """The result of a command that was not refused."""
    return CommandResult(
        command_id=command_id,
        outcome="accepted" if outcome.kind == "accepted" else "unchanged",
        position=outcome.position,
        refs=outcome.refs,
        versions=outcome.versions,
    )


def refused(
    command_id: UUID, broken: RuleBroken, correlation_id: UUID, first: Outcome | None
) -> CommandResult:
    """The result of a refused one; `first` is what the log keeps of it (of a gate: its events)."""
    return CommandResult(
        command_id=command_id,
        outcome="refused",
        code=broken.code,
        problem=problem_of(broken, correlation_id),
        position=first.position if first else None,
        refs=first.refs if first else (),
        versions=first.versions if first else {},
    )


def to_message(result: CommandResult, tenant: str, correlation_id: UUID, at: datetime) -> Message:
    """The CloudEvent of a result. Its id follows from the result, so that repetitions can be dropped."""
    said = f"{result.outcome}:{result.code or ''}"
    attributes: dict[str, str | None] = {
        "id": str(uuid5(result.command_id, said)),
        "source": source_of(tenant),
        "type": TYPE,
        "subject": str(result.command_id),
        "time": at.isoformat(),
        "partitionkey": tenant,
        "correlationid": str(correlation_id),
        "causationid": str(result.command_id),
    }
    return binary(attributes, _body(result), tenant)


def _body(result: CommandResult) -> bytes:
    body = _encoded(result)
    if len(body) > BYTES_MOST and result.problem is not None:
        small = msgspec.structs.replace(result.problem, facts={"left_out": True}, report=None)
        return _encoded(msgspec.structs.replace(result, problem=small))
    return body


def _encoded(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)
