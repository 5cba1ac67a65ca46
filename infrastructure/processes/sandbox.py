"""Programs that are not trusted: how strongly one is shut in, and what it may take.

L3: bubblewrap. L2: namespaces of our own: no network, only its own processes, a root with nothing but the
interpreter and the program's folders. L1: limits, an empty environment and an end for everything that came
of it; against accidents, not attackers.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from domain.shared.errors import Kind, RuleBroken
from infrastructure.processes.child import Child
from infrastructure.processes.sandbox_bubblewrap import bubblewrap_arguments
from infrastructure.processes.sandbox_view import TMPFS_BYTES, View, view_of
from infrastructure.processes.sandbox_watch import Excess
from optaic.mlops.runner.confinement import PARENT_SETTING

Level = Literal["L1", "L2", "L3"]
MIB = 1 << 20
_ROOT = Path(__file__).parents[2]
_WARDEN = (
    f"import sys; sys.path.insert(0, {str(_ROOT)!r}); "
    "from infrastructure.processes.sandbox_warden import main; sys.exit(main())"
)
_REPORT_BYTES = 65536


class SandboxFailed(RuleBroken):
    """The sandbox could not be made around a program, which was not run then."""

    kind = Kind.UNAVAILABLE
    remedy = "`optaic-mlops doctor` says which sandbox levels work on this machine; see docs/sandbox.md."


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one program and everything that comes of it may take. The first five hold for each process."""

    memory_bytes: int = 4096 * MIB
    """Private memory; watched for all processes together too."""
    file_bytes: int = 4096 * MIB
    open_files: int = 1024
    cpu_s: int = 24 * 3600
    nice: int = 5
    """The service answers first."""
    processes: int = 256
    disk_bytes: int = 8192 * MIB
    """All files in the writable folders, and open ones without a name."""
    disk_free_bytes: int = 256 * MIB
    """With less left on the disk of those folders programs are ended: the service has to go on writing."""
    files: int = 100_000


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is to run: an interpreter with arguments, and the folders that it may use."""

    python: Path
    arguments: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    task: bytes = b""
    """Its standard input, at most what a pipe holds."""
    scratch: Path
    """An existing folder of the service's own for this program, on the disk of its folders."""
    writable: tuple[Path, ...] = ()
    read_only: tuple[Path, ...] = ()
    limits: Limits = field(default_factory=Limits)


class SandboxedChild(Child):
    """A running program and its warden. `stopped` and `refusal` are known once `wait` gave an exit code."""

    def __init__(self, spec: dict[str, Any], *, cwd: Path, task: bytes) -> None:
        self._report, told = os.pipe()
        self.stopped: Excess | None = None
        self.refusal: str | None = None
        self._exit_code: int | None = None
        spec = spec | {"report": told, "parent": os.getpid()}
        arguments = [sys.executable, "-I", "-S", "-c", _WARDEN, json.dumps(spec)]
        try:
            super().__init__(arguments, cwd=cwd, env={}, task=task, pass_fds=(told,))
        except BaseException:
            os.close(self._report)
            raise
        finally:
            os.close(told)
        os.set_blocking(self._report, False)

    def wait(self, timeout_s: float) -> int | None:
        """The program's exit code (negative: the signal) once it and all that came of it ended."""
        ended = super().wait(timeout_s)
        if ended is None or self._exit_code is not None:
            return self._exit_code
        self._exit_code = self._judged(ended)
        return self._exit_code

    def kill(self) -> None:
        """Have the warden end everything, at once."""
        self.terminate()

    def close(self) -> None:
        """End what is left, and reap the warden."""
        self.terminate()
        if super().wait(_SWEEP_S) is None:
            super().kill()
        super().close()
        if self._report >= 0:
            os.close(self._report)
            self._report = -1

    def _judged(self, ended: int) -> int:
        facts = self._told()
        self.refusal, self.stopped = facts.get("setup"), facts.get("stopped")
        status = facts.get("status")
        if status is None:
            return -9 if self.stopped else ended
        return os.waitstatus_to_exitcode(status)

    def _told(self) -> dict[str, Any]:
        """What the warden told; of each fact, the first that it told."""
        facts: dict[str, Any] = {}
        with suppress(BlockingIOError, ValueError):
            for line in os.read(self._report, _REPORT_BYTES).splitlines():
                facts = json.loads(line) | facts
        return facts


_SWEEP_S = 10.0


@dataclass(frozen=True)
class Sandbox:
    """A level, and what a program must not see although it lies where something that it needs lies."""

    level: Level = "L1"
    hidden: tuple[Path, ...] = ()
    """The service's own folders."""
    bubblewrap: Path | None = None

    def start(self, program: Program) -> SandboxedChild:
        """Start a program. Whoever starts it must be the thread that waits for it."""
        command = [str(program.python), *program.arguments]
        namespaces, parents = None, [PARENT_SETTING]
        env = {name: value for name, value in program.env.items() if name != PARENT_SETTING}
        if self.level == "L2":
            namespaces = self.namespaces(program)
        if self.level == "L3":
            parents = []  # its parent is bubblewrap's first process, which dies with ours
            command = bubblewrap_arguments(
                self.bubblewrap or Path("bwrap"), self._view(program), command, env, program.cwd
            )
            env = {}
        spec = {
            "command": command,
            "env": env,
            "cwd": str(program.cwd),
            "parent_settings": parents,
            "namespaces": namespaces,
            "bubblewrap": self.level == "L3",
            "limits": asdict(program.limits),
            "watched": [str(one) for one in program.writable],
        }
        return SandboxedChild(spec, cwd=program.cwd, task=program.task)

    def namespaces(self, program: Program) -> dict[str, Any]:
        """What the warden needs to know for level L2; makes the folder on which the root is mounted."""
        root = program.scratch / "root"
        root.mkdir(exist_ok=True)
        return asdict(self._view(program)) | {"root": str(root), "tmpfs_bytes": TMPFS_BYTES}

    def _view(self, program: Program) -> View:
        return view_of(program.python, hidden=self.hidden, writable=program.writable, late=program.read_only)
