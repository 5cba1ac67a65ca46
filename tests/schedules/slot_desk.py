"""The desk with a scheduler, whose clock is moved by the test and which may die at any step."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from application.bus import Bus, Sender
from application.context import Services
from application.handlers import HANDLERS
from application.ports import Outcome
from application.schedules.scheduler import Scheduler
from domain.model_instance.events import InstanceArchived, InstanceCreated, InstanceUpdated, SlotSkipped
from domain.model_instance.specification import Schedule
from domain.run.events import RunSubmitted
from domain.shared.command import Command
from infrastructure.schedules.progress import SlotProgressFile
from tests.support.desk import Desk

HOURLY = Schedule(kind="training", cron="0 * * * *")


class Died(BaseException):
    """The process was killed here."""


class Steps:
    """Counts steps; dies at one of them."""

    def __init__(self, last: int | None = None) -> None:
        self.taken = 0
        self.last = last

    def step(self) -> None:
        self.taken += 1
        if self.taken == self.last:
            raise Died


class DyingBus(Bus):
    """May die before and after each command."""

    def __init__(self, services: Services, steps: Steps) -> None:
        super().__init__(services, HANDLERS)
        self.steps = steps

    def send(self, command: Command, sender: Sender, *, dry_run: bool = False) -> Outcome:
        self.steps.step()
        try:
            return super().send(command, sender, dry_run=dry_run)
        finally:
            self.steps.step()


class DyingProgress(SlotProgressFile):
    """May die before and after it is saved."""

    steps: Steps

    def save(self, settled: datetime, position: int) -> None:
        self.steps.step()
        super().save(settled, position)
        self.steps.step()


class LogAgenda:
    """Finds changed instances by reading the log."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def changed(self, after: int, upto: int) -> Sequence[tuple[str, str]]:
        recorded = [one for one in self._desk.since(after) if one.position <= upto]
        return sorted(
            {
                (one.tenant, one.event.name)
                for one in recorded
                if isinstance(one.event, InstanceCreated | InstanceUpdated | InstanceArchived)
            }
        )


class SlotDesk(Desk):
    """Desk with one scheduler at a time."""

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        self.folder = folder

    def scheduler(self, last_step: int | None = None) -> tuple[Scheduler, Steps]:
        """A scheduler as a new process has one; it dies at a step."""
        steps = Steps(last_step)
        progress = DyingProgress(self.folder / "schedules.json", self.log)
        progress.steps = steps
        bus = DyingBus(self.services, steps)
        return Scheduler(self.services, bus, LogAgenda(self), progress), steps

    def scheduled(self, *schedules: Schedule) -> Scheduler:
        """An instance with schedules, and a scheduler that began before."""
        scheduler, _ = self.scheduler()
        scheduler.begin()
        self.ready(schedules=schedules or (HOURLY,))
        return scheduler

    def pass_time(self, scheduler: Scheduler, hours: int) -> None:
        """A tick each hour."""
        for _ in range(hours):
            self.clock.move(timedelta(hours=1))
            scheduler.tick()

    def submitted(self) -> list[RunSubmitted]:
        """The runs that a schedule submitted."""
        events = [one.event for one in self.since(0)]
        return [e for e in events if isinstance(e, RunSubmitted) and e.trigger.startswith("schedule:")]

    def skipped(self) -> list[SlotSkipped]:
        """The slots that were passed over."""
        return [one.event for one in self.since(0) if isinstance(one.event, SlotSkipped)]
