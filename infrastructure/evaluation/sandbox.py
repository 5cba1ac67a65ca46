"""A check's program in a sandbox: a folder of its own, a time-out, an end for all that comes of it."""

import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infrastructure.processes.child import Child, environment
from infrastructure.processes.output_log import OutputLog
from infrastructure.processes.sandbox import MIB, Limits, Program, Sandbox
from infrastructure.processes.sandbox_watch import Excess

_SLICE_S = 0.5
_OUTPUT_BYTES = 128 * 1024
EXCESS: Mapping[Excess, str] = {
    "processes": "too many processes",
    "memory": "more memory than a check may have",
    "disk": "more or larger files than a check may have",
    "disk_full": "hardly any room is left on the disk",
}
"""What was too much, in words."""


@dataclass(frozen=True)
class Confined:
    """How a confined process ended: its exit code (None: it was stopped), and what it printed."""

    exit_code: int | None
    output: str
    excess: Excess | None = None
    refusal: str | None = None
    """Why it could not be started."""


def result_path(folder: Path) -> Path:
    """Where the program of a folder may leave its result, under a name that was never used before."""
    return folder / "home" / f"result-{secrets.token_hex(16)}"


def run_confined(
    arguments: Sequence[str],
    *,
    folder: Path,
    timeout_s: float,
    task: bytes = b"",
    stop: threading.Event | None = None,
    sandbox: Sandbox | None = None,
    limits: Limits | None = None,
    read_only: tuple[Path, ...] = (),
) -> Confined:
    """Run a program in a new folder, of which it may use `home`. `task` is its standard input."""
    home = folder / "home"
    home.mkdir(parents=True, mode=0o700)
    log = OutputLog(folder / "output.log", _OUTPUT_BYTES, _OUTPUT_BYTES)
    limits = limits or Limits()
    program = Program(
        python=Path(arguments[0]),
        arguments=arguments[1:],
        cwd=home,
        env=environment(home, limits.memory_bytes // MIB),
        task=task,
        scratch=folder,
        writable=(home,),
        read_only=read_only,
        limits=limits,
    )
    child = (sandbox or Sandbox()).start(program)
    try:
        log.follow(child.output)
        exit_code = _wait(child, time.monotonic() + timeout_s, stop)
    finally:
        child.close()
        log.finish()
    text = log.path.read_bytes().decode("utf-8", "replace") if log.path.exists() else ""
    text = text if exit_code is not None else f"{text}\nstopped after {timeout_s:g} s"
    return Confined(exit_code, text, child.stopped, child.refusal)


def _wait(child: Child, deadline: float, stop: threading.Event | None) -> int | None:
    while (left := deadline - time.monotonic()) > 0 and not (stop is not None and stop.is_set()):
        exit_code = child.wait(min(left, _SLICE_S))
        if exit_code is not None:
            return exit_code
    return None
