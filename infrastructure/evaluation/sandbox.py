"""Level L1: a subprocess with an empty environment, limits, a time-out, and an end for its whole group.

It protects against accidents, not against attackers: code of the same user could look at our files.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infrastructure.processes.child import Child, environment
from infrastructure.processes.output_log import OutputLog

SANDBOX_LEVEL = "L1"
MEMORY_MIB = 4096
_SLICE_S = 0.5
_OUTPUT_BYTES = 128 * 1024


@dataclass(frozen=True)
class Confined:
    """How a confined process ended: its exit code (None: it was stopped), and what it printed."""

    exit_code: int | None
    output: str


def run_confined(
    arguments: Sequence[str],
    *,
    folder: Path,
    timeout_s: float,
    task: bytes = b"",
    stop: threading.Event | None = None,
) -> Confined:
    """Run a program in a new folder of its own. `task` is its standard input."""
    home = folder / "home"
    home.mkdir(parents=True, mode=0o700)
    log = OutputLog(folder / "output.log", _OUTPUT_BYTES, _OUTPUT_BYTES)
    child = Child(arguments, cwd=home, env=environment(home, MEMORY_MIB), task=task)
    try:
        log.follow(child.output)
        exit_code = _wait(child, time.monotonic() + timeout_s, stop)
    finally:
        child.close()
        log.finish()
    text = log.path.read_bytes().decode("utf-8", "replace") if log.path.exists() else ""
    return Confined(exit_code, text if exit_code is not None else f"{text}\nstopped after {timeout_s:g} s")


def _wait(child: Child, deadline: float, stop: threading.Event | None) -> int | None:
    while (left := deadline - time.monotonic()) > 0 and not (stop is not None and stop.is_set()):
        exit_code = child.wait(min(left, _SLICE_S))
        if exit_code is not None:
            return exit_code
    return None
