"""One slot, settled: its run is submitted, or it is recorded as skipped with its cause. Repeated, it has one
effect: both commands have ids made from the slot.
"""

import logging
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from application.bus import Bus, Sender
from application.schedules.standing import Standing
from domain.model_instance.commands import SkipSlot
from domain.run.commands import SubmitRun
from domain.shared.activity import Actor
from domain.shared.command import Command
from domain.shared.errors import Kind, RuleBroken, StreamConflict
from domain.shared.ids import slot_command_id

_log = logging.getLogger(__name__)


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """One time at which a run is due."""

    name: str
    """The slot's time, or the dataset version that it follows: what makes it unique."""
    at: datetime
    as_of: datetime
    correlation_id: UUID | None = None
    causation_id: UUID | None = None


def timed(at: datetime) -> Slot:
    """The slot of a cron line; its run knows what was known at the slot's time, however late it comes."""
    return Slot(name=at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ"), at=at, as_of=at)


class SlotSender:
    """Sends what settles slots."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def is_settled(self, one: Standing, slot: Slot) -> bool:
        """Whether its run was submitted or its skip recorded."""
        run = self._bus.outcome(one.tenant, _command_id(one, slot.name))
        if run is not None and run.kind != "refused":
            return True
        return self._bus.outcome(one.tenant, _command_id(one, f"skipped {slot.name}")) is not None

    def submit(self, one: Standing, slot: Slot) -> None:
        """Submit its run; a refusal is the cause of a skipped slot. Raises what may pass later."""
        command = SubmitRun(
            instance=one.instance,
            kind=one.schedule.kind,
            as_of=slot.as_of,
            trigger=f"schedule:{slot.name}",
        )
        try:
            self._send(one, command, _command_id(one, slot.name), slot)
        except RuleBroken as broken:
            if _is_passing(broken):
                raise
            self.skip(one, slot, broken.code)

    def skip(self, one: Standing, slot: Slot, cause: str) -> None:
        """Record a skipped slot; an instance that was archived meanwhile has none any more."""
        command = SkipSlot(name=one.instance, kind=one.schedule.kind, slot=slot.at, cause=cause)
        try:
            self._send(one, command, _command_id(one, f"skipped {slot.name}"), slot)
        except RuleBroken as broken:
            if _is_passing(broken):
                raise
            _log.info("slot %s of %s is not recorded as skipped: %s", slot.name, one.instance, broken.code)

    def _send(self, one: Standing, command: Command, command_id: UUID, slot: Slot) -> None:
        sender = Sender(
            tenant=one.tenant,
            actor=Actor(principal="policy:schedule", method="service", on_behalf_of=one.owner),
            command_id=command_id,
            correlation_id=slot.correlation_id,
            causation_id=slot.causation_id,
            reason=f"the slot {slot.name} of its schedule",
        )
        self._bus.send(command, sender)


def _command_id(one: Standing, slot: str) -> UUID:
    return slot_command_id(one.tenant, one.instance, one.schedule.kind, slot)


def _is_passing(broken: RuleBroken) -> bool:
    return broken.kind is Kind.UNAVAILABLE or isinstance(broken, StreamConflict)
