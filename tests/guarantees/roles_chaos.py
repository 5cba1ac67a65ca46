"""Faults of every kind on the whole stack, one after another, by a seed; what was killed is started again."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.guarantees.roles_history import History
from tests.support.compose import ROLES, RoleProcess, Stack
from tests.support.fault_proxy import FaultProxy
from tests.support.processes import ServerProcess, wait_until

Fault = tuple[str, Callable[[], None]]
BACK_S = 45.0
"""After a fault both ways in must take commands again within this time; what it took is told."""


@dataclass
class Told:
    """What was done, and what came of it."""

    recovered_s: dict[str, float] = field(default_factory=dict[str, float])
    """Fault → from its end to the next acknowledged command over HTTP and over Kafka."""
    ended: list[str] = field(default_factory=list[str])
    """Roles that ended although nobody killed them, with their last words."""


class Chaos:
    """Faults on a stack whose roles reach their servers through proxies."""

    def __init__(self, stack: Stack, history: History, seed: int) -> None:
        self._stack = stack
        self._history = history
        self._random = random.Random(seed)
        self._held = threading.Event()
        self.told = Told()

    def faults(self) -> list[Fault]:
        """One of each kind, in the order of the seed."""
        stack = self._stack
        assert stack.to_kafka is not None
        assert stack.to_postgres is not None
        roles = [stack.roles[name] for name in ROLES]
        faults: list[Fault] = [(f"kill {one.name}", lambda one=one: self._kill(one)) for one in roles]
        faults += [(f"freeze {one.name}", lambda one=one: self._freeze(one.process)) for one in roles]
        faults += [
            ("kill kafka", self._kill_kafka),
            ("freeze kafka", lambda: self._freeze(stack.kafka.process)),
            ("kill postgres", self._kill_postgres),
            ("freeze postgres", self._freeze_postgres),
            ("kill a backend", self._kill_backend),
            ("freeze a backend", self._freeze_backend),
            ("cut kafka", lambda: self._network(stack.to_kafka, cut=True)),
            ("stall kafka", lambda: self._network(stack.to_kafka, cut=False)),
            ("cut postgres", lambda: self._network(stack.to_postgres, cut=True)),
            ("stall postgres", lambda: self._network(stack.to_postgres, cut=False)),
        ]
        self._random.shuffle(faults)
        return faults

    def run(self, faults: Sequence[Fault]) -> Told:
        """Let each happen, and wait until both ways in take commands again."""
        for name, fault in faults:
            fault()
            begin = time.monotonic()
            self._await_progress(name)
            self.told.recovered_s[name] = round(time.monotonic() - begin, 2)
            print(f"{name}: all works {self.told.recovered_s[name]:g} s after it")
        return self.told

    def _await_progress(self, name: str) -> None:
        before = self._history.progress()

        def both_go_on() -> bool:
            assert not self._history.breaches, f"after {name}: {self._history.breaches}"
            self._start_what_ended(name)
            return all(now > then for now, then in zip(self._history.progress(), before, strict=True))

        try:
            wait_until(both_go_on, f"commands or reads are not answered after: {name}", BACK_S)
        except TimeoutError:
            print(standing(self._stack))
            raise

    def _start_what_ended(self, after: str) -> None:
        """As the engine for containers does (`restart: unless-stopped`)."""
        for role in self._stack.roles.values():
            if not role.process.is_running:
                self.told.ended.append(f"{role.name} after {after}: {role.tail()}")
                role.start()

    def _hold(self) -> None:
        """For as long as the seed says."""
        self._held.wait(self._random.uniform(0.5, 1.5))

    def _kill(self, role: RoleProcess) -> None:
        role.kill()
        try:
            role.start()
        except RuntimeError:
            print(standing(self._stack))
            raise

    def _freeze(self, process: ServerProcess) -> None:
        process.suspend()
        self._hold()
        process.resume()

    def _kill_kafka(self) -> None:
        self._stack.kafka.kill()
        self._stack.kafka.start()

    def _kill_postgres(self) -> None:
        self._stack.postgres.kill()
        self._stack.postgres.start()

    def _freeze_postgres(self) -> None:
        """The postmaster and every backend: a backend is a process group of its own."""
        server = self._stack.postgres.process
        pids = [server.pid, *_children(server.pid)]
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        self._hold()
        for pid in pids:
            _signal(pid, signal.SIGCONT)

    def _backend(self) -> int:
        with psycopg.connect(self._stack.database_url) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE usename = 'optaic_app' ORDER BY pid"
            ).fetchall()
        return self._random.choice(rows)[0]

    def _kill_backend(self) -> None:
        """The server then ends all others too and recovers."""
        pid = self._backend()
        _signal(pid, signal.SIGKILL)
        wait_until(lambda: not _is_there(pid) and self._answers(), "PostgreSQL did not recover")

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self._stack.database_url, connect_timeout=1):
                return True
        except psycopg.OperationalError:
            return False

    def _freeze_backend(self) -> None:
        pid = self._backend()
        _signal(pid, signal.SIGSTOP)
        self._hold()
        _signal(pid, signal.SIGCONT)

    def _network(self, proxy: FaultProxy | None, *, cut: bool) -> None:
        assert proxy is not None
        if cut:
            proxy.cut()
        else:
            proxy.freeze()
        self._hold()
        proxy.heal()


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def _is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def standing(stack: Stack) -> str:
    """Where log, relay and views stand; what a failed run says of itself."""
    questions = (
        "SELECT position FROM optaic_log.log_head",
        "SELECT position, owner FROM optaic_ops.relay_progress",
        "SELECT * FROM optaic_ops.relay_partition ORDER BY partition",
        "SELECT * FROM optaic_views.view_generation ORDER BY projection, generation, partition",
    )
    with psycopg.connect(stack.database_url) as connection:
        found = [connection.execute(one).fetchall() for one in questions]
    return "\n".join(str(row) for rows in found for row in rows)
