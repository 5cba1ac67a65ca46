"""What became of a run's process: pure judgement of how it ended."""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from domain.shared.errors import RuleBroken
from infrastructure.execution.errors import (
    RunCrashed,
    RunDiskFull,
    RunDiskLimit,
    RunKilled,
    RunLeaseExpired,
    RunMemoryLimit,
    RunProcessLimit,
    RunTimeLimit,
    RunWorkerLost,
)
from infrastructure.processes.sandbox import SandboxFailed
from infrastructure.processes.sandbox_watch import Excess

Stop = Literal["lease", "time", "cancelled", "closed"]
"""Why the executor itself ended the process."""
_OUT_OF_MEMORY = re.compile(
    r"MemoryError|memory allocation of \d+ bytes failed|bad_alloc|cannot allocate memory|out of memory",
    re.IGNORECASE,
)

_FILE_TOO_LARGE = re.compile(r"\[Errno 27\]|File too large \(os error 27\)")
_NOT_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What would steer a terminal, turn text around, or cannot be stored."""
_SIGNAL_NAMES = {int(one): one.name for one in signal.Signals}
"""Not of every number that a signal may have."""

_EXCESS: Mapping[Excess, tuple[type[RuleBroken], str]] = {
    "processes": (RunProcessLimit, "the run had more processes than a run may have"),
    "memory": (RunMemoryLimit, "all processes of the run needed more memory than its limit"),
    "disk": (RunDiskLimit, "the run wrote more or larger files than a run may have"),
    "disk_full": (RunDiskFull, "hardly any room is left on the disk; runs end before the service has none"),
}


@dataclass(frozen=True)
class Ending:
    """The facts: exit code (negative: signal), why we stopped it, what the run told, what it printed last."""

    exit_code: int
    stop: Stop | None
    told: tuple[str, str] | None
    has_results: bool
    last_lines: str
    excess: Excess | None = None
    """What its sandbox ended it for."""
    refusal: str | None = None
    """Why its sandbox could not be made."""


def failure_of(ending: Ending) -> RuleBroken | None:
    """The failure that this ending is; None when the results count."""
    stopped = _stopped(ending.stop)
    if stopped is not None:
        return stopped
    if ending.refusal is not None:
        return SandboxFailed(_told(ending, ending.refusal))
    if ending.excess is not None:
        broken, words = _EXCESS[ending.excess]
        return broken(_told(ending, words))
    if ending.exit_code == 0 and ending.told is None:
        return None if ending.has_results else RunCrashed(_told(ending, "ended without handing over results"))
    if ending.told is not None and ending.told[0] in RuleBroken.catalogue:
        code, message = ending.told
        return RuleBroken.catalogue[code](message)
    if _OUT_OF_MEMORY.search(ending.last_lines):
        return RunMemoryLimit(_told(ending, "the run needed more memory than its limit"))
    if ending.exit_code == -signal.SIGXCPU:
        return RunTimeLimit(_told(ending, "the run took more processor time than its time limit allows"))
    if ending.exit_code == -signal.SIGXFSZ or _FILE_TOO_LARGE.search(ending.last_lines):
        return RunDiskLimit(_told(ending, "a file of the run was larger than files may be"))
    if ending.exit_code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP):
        return RunKilled(_told(ending, f"ended by {signal.Signals(-ending.exit_code).name}"))
    return RunCrashed(_told(ending, _exit_words(ending.exit_code)))


def shown(text: str) -> str:
    """What a process printed or told, as it may stand in a message; in its log it stays as it was."""
    return _NOT_SHOWN.sub("\ufffd", text)


def _stopped(stop: Stop | None) -> RuleBroken | None:
    match stop:
        case "lease":
            return RunLeaseExpired("the run did not report within its lease")
        case "time":
            return RunTimeLimit("the run was not done within its time limit")
        case "closed" | "cancelled":
            return RunWorkerLost("the executor stopped")
        case None:
            return None


def _exit_words(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"ended by {_SIGNAL_NAMES.get(-code, f'signal {-code}')}"


def _told(ending: Ending, what: str) -> str:
    return f"{what}; its last lines:\n{ending.last_lines}" if ending.last_lines else what
