"""Failpoints: named places where a test may kill the process; no-ops unless OPTAIC_MLOPS_FAILPOINTS names
them.

The variable holds `name=action` pairs with commas between them. The one action is `kill` (SIGKILL to this
process); `kill@3` acts at the third hit. To add a place, put its name into the set of its area and call
`hit(name)` there.
"""

import os
import signal
import threading

from domain.shared.errors import RuleBroken

VARIABLE = "OPTAIC_MLOPS_FAILPOINTS"

LOG = frozenset(
    {"log.before_begin", "log.after_insert", "log.before_commit", "log.after_commit", "log.before_answer"},
)
PROJECTION = frozenset(
    {
        "projection.before_begin",
        "projection.after_position",
        "projection.before_commit",
        "projection.after_commit",
    },
)
CONSUMER = frozenset({"consumer.after_poll", "consumer.before_apply", "consumer.after_apply"})
ARTIFACT = frozenset(
    f"{area}.{place}"
    for area in ("artifact", "dataset")
    for place in ("before_write", "before_sync", "before_rename", "after_rename", "purge_marked")
)
RELAY = frozenset(
    {"relay.after_read", "relay.after_produce", "relay.before_progress", "relay.after_progress"},
)
INTAKE = frozenset({"intake.after_poll", "intake.after_send", "intake.before_commit"})

NAMES = LOG | PROJECTION | CONSUMER | ARTIFACT | RELAY | INTAKE
"""Every failpoint there is."""


class FailpointUnknown(RuleBroken):
    """No place in the code has this name, or the action is none of ours: a test that names it would prove
    nothing.
    """

    remedy = "Use `name=kill` or `name=kill@3` with a name of infrastructure/failpoints.py."


def parse(setting: str) -> dict[str, int]:
    """Read the variable: name → the hit (from 1) at which the process dies; raises FailpointUnknown."""
    armed: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in setting.split(","))):
        name, _, action = part.partition("=")
        verb, _, count = action.partition("@")
        if name not in NAMES or verb != "kill" or not (count or "1").isdecimal() or count == "0":
            raise FailpointUnknown(f"{part!r} is not a failpoint", names=sorted(NAMES))
        armed[name] = int(count or "1")
    return armed


_armed = parse(os.environ.get(VARIABLE, ""))
_counting = threading.Lock()


def arm(setting: str) -> None:
    """Switch failpoints on in this process, as the variable does at its start; raises FailpointUnknown."""
    _armed.update(parse(setting))


def hit(name: str) -> None:
    """Pass the named place; dies here if the environment says so."""
    if _armed and name in _armed:
        _count_down(name)


def _count_down(name: str) -> None:
    with _counting:
        _armed[name] -= 1
        if _armed[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
