"""Which sandbox levels work on this machine, found out by running a tiny program at each, and which is
taken.
"""

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from domain.shared.errors import Kind, RuleBroken
from infrastructure.processes.child import environment
from infrastructure.processes.output_log import OutputLog
from infrastructure.processes.sandbox import Level, Program, Sandbox

Wanted = Literal["auto", "L1", "L2", "L3"]
LEVELS: tuple[Level, ...] = ("L3", "L2", "L1")
"""The strongest first."""
_STATUS = Path("/proc/self/status")
_PROBE = "print('alive'); print(open('/proc/self/status').read())"
UNFILTERED = (
    "works, but without a filter of system calls: this kernel or processor has none that is known here"
)
_PROBE_S = 20.0


class SandboxLevelUnavailable(RuleBroken):
    """The sandbox level that the settings ask for does not work on this machine."""

    kind = Kind.UNAVAILABLE
    remedy = (
        "L3: install bubblewrap, 0.8 or later. L2 and L3: allow user namespaces (sysctl "
        "user.max_user_namespaces, AppArmor, the container's seccomp profile). Or name another level in "
        "OPTAIC_MLOPS_SANDBOX."
    )


class SandboxLevelTooLow(RuleBroken):
    """What runs for an instance in `official` needs a sandbox that holds against attackers."""

    kind = Kind.FORBIDDEN
    remedy = (
        "Run it where level L2 or L3 works (`optaic-mlops doctor`), or set OPTAIC_MLOPS_OFFICIAL_SANDBOX=L1."
    )


@dataclass(frozen=True)
class Probed:
    """Whether a level works here, and if not, why."""

    level: Level
    works: bool
    detail: str


def probe(level: Level, bubblewrap: Path | None = None) -> Probed:
    """Run a tiny program at a level."""
    if level == "L3" and bubblewrap is None:
        return Probed(level, works=False, detail="bubblewrap (bwrap) is not installed")
    with tempfile.TemporaryDirectory(prefix="optaic-probe-") as name:
        folder = Path(name).resolve()
        home = folder / "home"
        home.mkdir()
        try:
            code, printed = _alive(Sandbox(level, (folder,), bubblewrap), folder, home)
        except OSError as error:
            return Probed(level, works=False, detail=str(error))
    if code != 0 or not printed.startswith("alive\n"):
        return Probed(level, works=False, detail=printed.strip()[-500:] or f"ended with {code}")
    filtered = level == "L1" or _filters(printed) > _filters(_STATUS.read_text())
    return Probed(level, works=True, detail="works" if filtered else UNFILTERED)


def _filters(status: str) -> int:
    """How many filters of system calls a process has, by its status; 0 where the kernel does not count."""
    told = (line.split()[1] for line in status.splitlines() if line.startswith("Seccomp_filters:"))
    return int(next(told, "0"))


def _alive(sandbox: Sandbox, folder: Path, home: Path) -> tuple[int | None, str]:
    program = Program(
        python=Path(sys.executable),
        arguments=["-I", "-S", "-c", _PROBE],
        cwd=home,
        env=environment(home, 0),
        scratch=folder,
        writable=(home,),
    )
    log = OutputLog(folder / "output.log")
    child = sandbox.start(program)
    try:
        log.follow(child.output)
        code = child.wait(_PROBE_S)
    finally:
        child.close()
        log.finish()
    return code, "\n".join(filter(None, (child.refusal, log.last_lines(100))))


@cache
def probed(level: Level) -> Probed:
    """What a probe of this machine found; asked once a process."""
    found = shutil.which("bwrap", path=os.environ.get("PATH", os.defpath)) if level == "L3" else None
    return probe(level, Path(found) if found else None)


def open_sandbox(wanted: Wanted, hidden: tuple[Path, ...]) -> Sandbox:
    """The sandbox of a level, or with `auto` of the strongest that works here; `hidden` as in `Sandbox`.

    Raises SandboxLevelUnavailable: a level that was named is never replaced by a weaker one.
    """
    asked = LEVELS if wanted == "auto" else (wanted,)
    tried: list[Probed] = []
    for level in asked:
        tried.append(probed(level))
        if tried[-1].works:
            found = shutil.which("bwrap") if level == "L3" else None
            return Sandbox(level, hidden, Path(found) if found else None)
    raise SandboxLevelUnavailable("; ".join(f"{one.level}: {one.detail}" for one in tried))


def is_at_least(level: str, lowest: str) -> bool:
    """Whether a level is as strong as another one; an unknown one is not."""
    order = ("L1", "L2", "L3")
    return level in order and order.index(level) >= order.index(lowest)
