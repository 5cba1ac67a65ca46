"""What a policy works with."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from application.bus import Bus, Sender
from application.context import Services
from application.ports import Executor
from domain.shared.activity import Actor, RecordedEvent
from domain.shared.command import Command
from domain.shared.errors import Kind, RuleBroken, StreamConflict
from domain.shared.ids import policy_command_id


@dataclass(frozen=True, kw_only=True)
class PolicyContext:
    """The services, the bus to send through, and the executor to tell."""

    services: Services
    bus: Bus
    executor: Executor

    def send(
        self,
        policy: str,
        command: Command,
        cause: RecordedEvent,
        reason: str,
        *,
        of: str | None = None,
        workflow: UUID | None = None,
    ) -> None:
        """Send a command because of an event: once, in the event's workflow, whatever is repeated.

        `of` tells several commands of one type apart that follow from one event. `workflow`: the correlation
        id, where it is not the event's own.
        A refusal is an answer, not a failure: the world has moved on. What may pass later is raised.
        """
        sender = Sender(
            tenant=cause.tenant,
            actor=Actor(principal=f"policy:{policy}", method="service", on_behalf_of=cause.actor.principal),
            command_id=policy_command_id(":".join(filter(None, (policy, of, command.TYPE))), cause.event_id),
            correlation_id=workflow or cause.correlation_id,
            causation_id=cause.event_id,
            reason=reason,
        )
        try:
            self.bus.send(command, sender)
        except RuleBroken as broken:
            if broken.kind is Kind.UNAVAILABLE or isinstance(broken, StreamConflict):
                raise


Policy = Callable[[RecordedEvent, PolicyContext], None]
