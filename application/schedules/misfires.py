"""Which of the slots that are due still run, and which are skipped. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

GRACE = timedelta(minutes=5)
"""A slot is late when it is older than this: nothing submitted runs when it came."""
OLDEST = timedelta(days=7)
"""Older slots never run, whatever the policy."""
CAUGHT_UP_MAX = 100
"""At most so many late slots of one schedule are caught up; the newest ones."""

Misfire = Literal["skip", "run_once", "catch_up"]


class Plan(msgspec.Struct, frozen=True):
    """What is done with slots that are due, each in order."""

    skips: tuple[tuple[datetime, str], ...]
    """Slot and cause."""
    runs: tuple[datetime, ...]


def plan(due: Sequence[datetime], misfire: Misfire, now: datetime) -> Plan:
    """Decide about slots that are due, oldest first, and not settled yet.

    A slot on time runs. Of late ones none runs (`skip`), the newest if no other run is due (`run_once`), or
    the newest 100 of the last 7 days (`catch_up`).
    """
    on_time = tuple(slot for slot in due if slot >= now - GRACE)
    late = tuple(slot for slot in due if slot < now - GRACE)
    old = tuple(slot for slot in late if slot < now - OLDEST)
    recent = late[len(old) :]
    kept: tuple[datetime, ...] = ()
    if misfire == "run_once" and not on_time:
        kept = recent[-1:]
    elif misfire == "catch_up":
        kept = recent[-CAUGHT_UP_MAX:]
    passed = recent[: len(recent) - len(kept)]
    cause = "misfire.too_many" if misfire == "catch_up" else f"misfire.{misfire}"
    skips = (*((slot, "misfire.too_old") for slot in old), *((slot, cause) for slot in passed))
    return Plan(skips, (*kept, *on_time))
