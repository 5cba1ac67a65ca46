"""The process between the service and a program that it does not trust: starts it within limits, watches
over everything that comes of it, ends it all, and tells how it ended.

Started by `infrastructure.processes.sandbox` with one argument, a JSON object. Standard library only.

    service ── warden ── program ── …                     L1: the warden adopts orphans and sweeps
    service ── warden ─│─ first ── program ── …           L2: first of the namespace; the kernel sweeps
    service ── warden ── bubblewrap ─│─ first ── program  L3: both
"""

import errno
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from infrastructure.processes import sandbox_kernel as kernel
from infrastructure.processes import sandbox_namespaces as namespaces
from infrastructure.processes.sandbox_calls import call_filter
from infrastructure.processes.sandbox_handshake import Handshake
from infrastructure.processes.sandbox_watch import Watch, descendants, everybody

SETUP_FAILED = 70
_TICK_S = 0.05
_SWEEP_S = 5.0
_AWAITED = {signal.SIGCHLD, signal.SIGTERM}
Spec = Mapping[str, Any]


def main() -> int:
    """0 once the end was told; 70 where the program could not be started."""
    spec: Spec = json.loads(sys.argv[1])
    os.set_inheritable(spec["report"], False)
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    try:
        _offer_to_the_kernel()
        kernel.die_with_parent(signal.SIGTERM)
        if os.getppid() != spec["parent"]:
            return SETUP_FAILED
        if spec["namespaces"] is None:
            kernel.adopt_orphans()
            program = _guard(spec, lambda: descendants(os.getpid(), spec["limits"]["processes"]))
            _sweep(program)
        else:
            _behind_namespaces(spec)
    except OSError as error:
        _tell(spec, {"setup": str(error)})
        return SETUP_FAILED
    return 0


def _offer_to_the_kernel() -> None:
    """Where the machine's memory ends, what is not trusted ends before the service does."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800")


def _tell(spec: Spec, fact: Mapping[str, Any]) -> None:
    with suppress(BrokenPipeError):  # the service is gone: nobody listens, but what runs still has to end
        os.write(spec["report"], json.dumps(fact).encode() + b"\n")


def _behind_namespaces(spec: Spec) -> None:
    alive, held = os.pipe()
    namespaces.leave()
    first = os.fork()
    if first == 0:
        os.close(held)
        _first(spec, alive)
    while True:
        arrived = signal.sigwait(_AWAITED)
        if arrived == signal.SIGTERM:
            os.kill(first, signal.SIGKILL)  # and with it the kernel ends everything in the namespace
        if os.waitpid(first, os.WNOHANG if arrived != signal.SIGTERM else 0)[0]:
            return


def _first(spec: Spec, alive: int) -> NoReturn:
    """The first process of the namespace: ends with the warden, and everything in it ends with it."""
    code = SETUP_FAILED
    try:
        kernel.die_with_parent(signal.SIGKILL)
        if not select.select([alive], [], [], 0)[0]:
            namespaces.build_root(spec["namespaces"])
            _guard(spec, everybody)
            code = 0
    except OSError as error:
        _tell(spec, {"setup": str(error)})
    finally:
        os._exit(code)


def _guard(spec: Spec, census: Callable[[], list[int]]) -> int:
    """Start the program, watch until it ended or has to end, and tell which; returns its process id."""
    begun = time.monotonic()
    handshake = Handshake() if spec["bubblewrap"] else None
    program = os.fork()
    if program == 0:
        _become(spec, handshake)
    if handshake is not None:
        handshake.begin(2 * spec["limits"]["processes"])
    watch = Watch(spec["limits"], [Path(one) for one in spec["watched"]])
    status, stopped = None, None
    while status is None and stopped is None:
        arrived = signal.sigtimedwait(_AWAITED, _TICK_S)
        if arrived is not None and arrived.si_signo == signal.SIGTERM and spec["namespaces"] is None:
            status = int(signal.SIGTERM)
        status = _reaped(program, status)
        if status is None:
            stopped = watch.found(census())
    if handshake is not None and status is not None:
        status = handshake.ended(status)
        if status is None:
            _tell(spec, {"setup": "bubblewrap did not start the program"})
            status = SETUP_FAILED << 8
    _tell(spec, {"status": status, "stopped": stopped, "seconds": round(time.monotonic() - begun, 3)})
    return program


def _reaped(program: int, status: int | None) -> int | None:
    """Reap whoever ended; the program's wait status once it is among them."""
    with suppress(ChildProcessError):
        while True:
            pid, found = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            status = found if pid == program else status
    return status


def _sweep(program: int) -> None:
    """End the program's process group at one stroke, then every descendant that fled into another one:
    stopped first, so that nobody forks meanwhile.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program, signal.SIGKILL)
    deadline = time.monotonic() + _SWEEP_S
    stopped = set[int]()
    while time.monotonic() < deadline:
        found = descendants(os.getpid())
        fresh = set(found) - stopped
        for pid in fresh or found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGSTOP if fresh else signal.SIGKILL)
        stopped |= fresh
        _reaped(0, None)
        if not found:
            return
        if not fresh:
            signal.sigtimedwait({signal.SIGCHLD}, _TICK_S)


def _become(spec: Spec, handshake: Handshake | None) -> NoReturn:
    """The program itself, or bubblewrap around it, in a session of its own."""
    try:
        os.setsid()
        kernel.die_with_parent(signal.SIGKILL)
        _limit(spec["limits"], own_users=spec["namespaces"] is not None)
        os.chdir(spec["cwd"])
        environment = {**spec["env"], **{name: str(os.getppid()) for name in spec["parent_settings"]}}
        command: list[str] = spec["command"]
        if handshake is not None:
            command[1:1] = handshake.arguments(call_filter())
            if os.geteuid() == 0:
                namespaces.protect_devices()
        if spec["namespaces"] is not None:
            kernel.give_up_privileges()
            _filter_calls()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
        os.execve(command[0], command, environment)  # noqa: S606  # what the warden is for
    except OSError as error:
        _tell(spec, {"setup": str(error)})
    finally:
        os._exit(SETUP_FAILED)


def _filter_calls() -> None:
    """A kernel without filters runs the program all the same: a probe of the level says so."""
    program = call_filter()
    if program:
        try:
            kernel.filter_calls(program)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS):
                raise


def _limit(limits: Mapping[str, int], *, own_users: bool) -> None:
    """Limits of one process; what all of them may take together is watched."""
    wanted = {
        resource.RLIMIT_DATA: limits["memory_bytes"],
        resource.RLIMIT_FSIZE: limits["file_bytes"],
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_CPU: limits["cpu_s"],
        resource.RLIMIT_CORE: 0,
    }
    if own_users:  # elsewhere it would count the user's other processes too, and root's not at all
        wanted[resource.RLIMIT_NPROC] = 2 * limits["processes"]
    for kind, bound in wanted.items():
        _, hard = resource.getrlimit(kind)
        lowered = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (lowered, lowered))
    os.nice(limits["nice"])


if __name__ == "__main__":
    sys.exit(main())
