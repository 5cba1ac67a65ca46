"""What is due next: for whoever asks when an instance runs again."""

from datetime import datetime

import msgspec

from application.schedules.timetable import next_slots
from domain.model_instance.specification import Schedule

SHOWN = 3
"""How many slots of a cron line are told."""


class UpcomingView(msgspec.Struct, frozen=True, kw_only=True):
    """One schedule and its next slots, in UTC: none where it is off or follows a dataset."""

    schedule: Schedule
    next: tuple[datetime, ...]


def upcoming(schedules: tuple[Schedule, ...], after: datetime) -> tuple[UpcomingView, ...]:
    """Each schedule with the slots that come after a moment."""
    return tuple(UpcomingView(schedule=one, next=_next(one, after)) for one in schedules)


def _next(schedule: Schedule, after: datetime) -> tuple[datetime, ...]:
    if not schedule.enabled or schedule.cron is None:
        return ()
    return next_slots(schedule.cron, schedule.timezone, after, SHOWN)
