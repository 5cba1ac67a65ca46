"""Runs one role as a process: open, start, say so, watch, and end in order on SIGTERM or SIGINT."""

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Protocol

from infrastructure.roles.role import Role
from infrastructure.settings import Settings

_WATCH_S = 0.5
_log = logging.getLogger(__name__)


class OpenRole(Protocol):
    """Makes a role from the settings; what it opens goes onto the stack and is closed after the role."""

    def __call__(self, settings: Settings, opened: ExitStack) -> Role:
        """Open; raises RuleBroken with what is missing or away."""
        ...


def _relay(settings: Settings, opened: ExitStack) -> Role:
    from infrastructure.roles.parts import open_relay

    return open_relay(settings, opened)


def _project(settings: Settings, opened: ExitStack) -> Role:
    from infrastructure.roles.parts import open_project

    return open_project(settings, opened)


def _intake(settings: Settings, opened: ExitStack) -> Role:
    from infrastructure.roles.parts import open_intake

    return open_intake(settings, opened)


def _schedule(settings: Settings, opened: ExitStack) -> Role:
    from infrastructure.roles.schedule import Schedule
    from infrastructure.roles.wiring import open_core

    return Schedule(open_core(settings, opened, role="schedule"))


def _worker(settings: Settings, opened: ExitStack) -> Role:
    from infrastructure.roles.wiring import open_core
    from infrastructure.roles.worker import Worker

    return Worker(open_core(settings, opened, role="worker"))


ROLES: Mapping[str, OpenRole] = {
    "relay": _relay,
    "project": _project,
    "intake": _intake,
    "schedule": _schedule,
    "worker": _worker,
}
"""The roles without an API of their own; `serve` has one (`infrastructure.roles.serve`)."""

Ready = Callable[[str, int], None]
"""Told once, when the role works: its name and the port of its health server."""


def run_role(name: str, settings: Settings, ready: Ready) -> int:
    """Run a role until it is told to end (0) or fails for good (1). Raises RuleBroken if it cannot start."""
    from infrastructure.roles.health import HealthServer

    asked_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_end.set())
    with ExitStack() as opened:
        role = ROLES[name](settings, opened)
        health = HealthServer(settings.host, settings.role_port, role, name)
        health.start()
        opened.callback(health.stop)
        opened.callback(role.stop)
        role.start()
        ready(name, health.port)
        while not asked_to_end.wait(_WATCH_S):
            if role.failure is not None:
                _log.error("%s cannot go on: %s", name, role.failure)
                return 1
    return 0
