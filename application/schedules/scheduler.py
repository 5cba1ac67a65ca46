"""Settles the slots of cron schedules. Killed at any moment, it neither doubles nor loses one: command ids
make a repeat harmless, and how far it has come is saved after the slots were settled.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from application.bus import Bus
from application.context import Services
from application.schedules.misfires import plan
from application.schedules.sending import SlotSender, timed
from application.schedules.standing import Standing, standing
from application.schedules.timetable import slots
from domain.model_instance import decider as instances

_log = logging.getLogger(__name__)


class Agenda(Protocol):
    """Finds the instances whose schedules may have changed; their streams say what they are."""

    def changed(self, after: int, upto: int) -> Sequence[tuple[str, str]]:
        """(tenant, instance) specified or archived after a position, as everything up to `upto` says.

        Raises ProjectionBehind.
        """
        ...


class SlotProgress(Protocol):
    """Up to which moment every slot is settled; outlives the process. Losing it loses no history."""

    def load(self) -> datetime | None:
        """The moment; None in a place, or for a log, where no scheduler was: then it begins at now."""
        ...

    def save(self, settled: datetime, position: int) -> None:
        """Every slot up to this moment is settled, in the log that has this position."""
        ...


class Scheduler:
    """At each tick every slot that is due is settled: a run submitted, or a skip recorded with its cause."""

    def __init__(self, services: Services, bus: Bus, agenda: Agenda, progress: SlotProgress) -> None:
        self._services = services
        self._sender = SlotSender(bus)
        self._agenda = agenda
        self._progress = progress
        self._known: dict[tuple[str, str], tuple[Standing, ...]] = {}
        self._position = 0
        self._settled: datetime | None = None

    def begin(self) -> datetime:
        """Go on where the last one stopped; never before the moment at which the log came to this place."""
        now = self._services.clock.now()
        loaded = self._progress.load()
        if loaded is None:
            self._progress.save(now, self._services.log.head())
        self._settled = now if loaded is None else min(loaded, now)
        return self._settled

    def tick(self) -> None:
        """Settle what is due by now; where something is only away for a time, the next tick tries again.

        Raises ProjectionBehind, and what reading the log and saving may raise.
        """
        settled = self._settled or self.begin()
        now = self._services.clock.now()
        if now <= settled:
            return
        head = self._services.log.head()
        self._learn(head)
        every = [one for known in self._known.values() for one in known if one.schedule.cron]
        waiting = [one for one in every if not self._is_settled(one, settled, now)]
        if not waiting:
            self._progress.save(now, head)
            self._settled = now

    def _learn(self, head: int) -> None:
        for tenant, name in self._agenda.changed(self._position, head):
            stream = self._services.log.read_stream(tenant, instances.stream(name))
            self._known[tenant, name] = standing(stream)
        self._position = head

    def _is_settled(self, one: Standing, settled: datetime, now: datetime) -> bool:
        """One schedule that cannot be settled does not hold up the others."""
        try:
            self._settle(one, max(settled, one.since), now)
        except Exception:
            _log.exception("the %s schedule of %s is tried again", one.schedule.kind, one.instance)
            return False
        return True

    def _settle(self, one: Standing, after: datetime, now: datetime) -> None:
        schedule = one.schedule
        due = [
            at
            for at in slots(schedule.cron or "", schedule.timezone, after, now)
            if not self._sender.is_settled(one, timed(at))
        ]
        decided = plan(due, schedule.misfire or "run_once", now)
        for at, cause in decided.skips:
            self._sender.skip(one, timed(at), cause)
        for at in decided.runs:
            self._sender.submit(one, timed(at))
