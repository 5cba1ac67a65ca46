"""Failpoints: named places where a test may kill or freeze the process; no-ops unless
OPTAIC_MLOPS_FAILPOINTS names them.

The variable holds `name=action` pairs with commas between them. Actions: `kill` (SIGKILL to this process) and
`freeze` (SIGSTOP); `kill@3` acts at the third hit. To add a place, put its name into the set of its area and
call `hit(name)` there.
"""

import os
import signal
import threading
from typing import NamedTuple

from domain.shared.errors import RuleBroken

VARIABLE = "OPTAIC_MLOPS_FAILPOINTS"

LOG = frozenset(
    {"log.before_begin", "log.after_insert", "log.before_commit", "log.after_commit", "log.before_answer"},
)
LOG_IN_COMPANY = frozenset({"log.with_lock"})
"""On PostgreSQL, passed only where other processes append too."""
PROJECTION = frozenset(
    {
        "projection.before_begin",
        "projection.after_position",
        "projection.before_commit",
        "projection.after_commit",
    },
)
CONSUMER = frozenset({"consumer.after_poll", "consumer.before_apply", "consumer.after_apply"})
PROJECTION_ON_POSTGRES = frozenset({"projection.within_rows"})
"""Rows of a page on their way: the last were sent, and the server waits for more."""
ARTIFACT = frozenset(
    f"{area}.{place}"
    for area in ("artifact", "dataset")
    for place in ("before_write", "before_sync", "before_rename", "after_rename", "purge_marked")
)
RELAY = frozenset(
    {
        "relay.after_read",
        "relay.after_produce",
        "relay.before_progress",
        "relay.within_progress",
        "relay.after_progress",
    },
)
INTAKE = frozenset({"intake.after_poll", "intake.after_send", "intake.before_commit"})

NAMES = LOG | LOG_IN_COMPANY | PROJECTION | PROJECTION_ON_POSTGRES | CONSUMER | ARTIFACT | RELAY | INTAKE
"""Every failpoint there is."""


class FailpointUnknown(RuleBroken):
    """No place in the code has this name, or the action is none of ours: a test that names it would prove
    nothing.
    """

    remedy = "Use `name=kill`, `name=freeze` or `name=kill@3` with a name of infrastructure/failpoints.py."


class Armed(NamedTuple):
    """What a place does, and at which hit from now on."""

    action: signal.Signals
    hits: int


_ACTIONS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}


def parse(setting: str) -> dict[str, Armed]:
    """Read the variable: name → what the process does there; raises FailpointUnknown."""
    armed: dict[str, Armed] = {}
    for part in filter(None, (piece.strip() for piece in setting.split(","))):
        name, _, action = part.partition("=")
        verb, _, count = action.partition("@")
        if name not in NAMES or verb not in _ACTIONS or not (count or "1").isdecimal() or count == "0":
            raise FailpointUnknown(f"{part!r} is not a failpoint", names=sorted(NAMES))
        armed[name] = Armed(_ACTIONS[verb], int(count or "1"))
    return armed


_armed = parse(os.environ.get(VARIABLE, ""))
_counting = threading.Lock()


def arm(setting: str) -> None:
    """Switch failpoints on in this process, as the variable does at its start; raises FailpointUnknown."""
    _armed.update(parse(setting))


def hit(name: str) -> None:
    """Pass the named place; dies or stands still here if the environment says so."""
    if _armed and name in _armed:
        _count_down(name)


def _count_down(name: str) -> None:
    with _counting:
        armed = _armed[name] = _armed[name]._replace(hits=_armed[name].hits - 1)
    if armed.hits == 0:
        os.kill(os.getpid(), armed.action)
