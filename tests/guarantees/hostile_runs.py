"""One package whose training does what it is told by name, and a desk that runs it in a sandbox."""

import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.run.commands import CompleteRun, FailRun
from infrastructure.processes.sandbox import MIB, Level, Limits
from tests.execution.definition_packages import LINEAR
from tests.execution.work_desk import Desk
from tests.support.sandboxes import sandbox_of

PAYLOAD = Path(__file__).with_name("hostile_payload.py")
MODEL = LINEAR.replace(
    "ridge: float = pydantic.Field(default=0.1, ge=0)",
    'ridge: float = pydantic.Field(default=0.1, ge=0)\n    program: str = ""\n    told: str = "{}"',
).replace("#FIT", "programs.once(self.params.program, self.params.told)")
ONCE = '''

_done = []


def once(name, told):
    """Call a program at the first of several fits."""
    if name and not _done:
        _done.append(name)
        call(name, json.loads(told))
'''
PACKAGE: dict[str, str | None] = {
    "model/linear.py": MODEL.replace("import pydantic\n", "import pydantic\nfrom model import programs\n"),
    "model/programs.py": PAYLOAD.read_text(encoding="utf-8") + ONCE,
}
LIMITS = Limits(processes=20, disk_bytes=40 * MIB, files=400, file_bytes=10 * MIB)
MEMORY_MIB = 512
_SECRETS = (Path("/etc/shadow"), Path.home() / ".bashrc", Path.home() / ".profile")
WAIT_S = 280.0


@dataclass(frozen=True, kw_only=True)
class Fate:
    """How a run of a program has to end: the code, and a word of its message."""

    code: str
    says: str = ""
    time_s: int = 60


@dataclass
class Ended:
    """How one ended, and what it printed."""

    failed: FailRun | None
    completed: CompleteRun | None
    log: bytes


@dataclass
class Surrounding:
    """What is around a run that must not be reached: a file, a listener, a socket of another."""

    root: Path
    canary: str
    reached: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Put it all there."""
        self.data = self.root / "data"
        self.data.mkdir()
        (self.data / "log.sqlite").write_text(self.canary)
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._abstract = self._listening("\0optaic-" + self.canary)
        self._other = self._listening(str(self.data / "other.sock"))
        self.listeners = (self._tcp, self._abstract, self._other)
        for one in self.listeners:
            one.setblocking(False)

    @staticmethod
    def _listening(name: str) -> socket.socket:
        one = socket.socket(socket.AF_UNIX)
        one.bind(name)
        one.listen()
        return one

    def told(self) -> dict[str, Any]:
        """What a program is told of it."""
        service = Path(__file__).parents[2] / "infrastructure"
        return {
            "port": self._tcp.getsockname()[1],
            "abstract": "optaic-" + self.canary,
            "other_socket": str(self.data / "other.sock"),
            "other_run": "01920000-0000-7000-8000-999999999999",
            "secrets": [str(one) for one in (self.data / "log.sqlite", service / "settings.py", *_SECRETS)],
            "folders": [
                str(self.data),
                str(self.root / "artifacts"),
                str(Path.home() / ".ssh"),
                str(service),
            ],
            "outside": ["/usr", "/proc", "/sys", sys.prefix, str(self.data)],
            "hidden": ["/", "/etc", "/dev", str(self.root), str(Path.home())],
            "pid": os.getpid(),
        }

    def connections(self) -> int:
        """How many came through to one of the listeners."""
        count = 0
        for one in self.listeners:
            try:
                one.accept()[0].close()
            except BlockingIOError:
                continue
            count += 1
        return count

    def close(self) -> None:
        """Let go of the listeners."""
        for one in self.listeners:
            one.close()


def run_all(root: Path, level: Level, fates: Mapping[str, Fate], told: dict[str, Any]) -> dict[str, Ended]:
    """Run every program once, two at a time; how each ended."""
    desk = Desk(root)
    manifest = desk.package("hostile", PACKAGE)
    executor = desk.executor(sandbox=sandbox_of(level, root), limits=LIMITS)
    runs = {
        name: desk.submit(
            number,
            manifest,
            hyper_parameters={"program": name, "told": json.dumps(told)},
            time_s=fate.time_s,
            memory_mib=MEMORY_MIB,
        )
        for number, (name, fate) in enumerate(fates.items(), 1)
    }
    executor.start()
    try:
        desk.wait(lambda: len(desk.failed) + len(desk.completed) == len(runs), WAIT_S)
        assert executor.wait_idle(30)
    finally:
        executor.close()
    assert list((root / "runs").iterdir()) == []
    return {name: _ended(desk, run) for name, run in runs.items()}


def _ended(desk: Desk, run: str) -> Ended:
    failed, completed = desk.failed.get(run), desk.completed.get(run)
    told = failed or completed
    assert told is not None
    log = desk.artifacts.get(told.log_sha256) if told.log_sha256 else b""
    return Ended(failed, completed, log)


def left_over(root: Path) -> list[str]:
    """Processes that came of a run below a folder and still live."""
    found: list[str] = []
    for one in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(root).encode() in one.read_bytes():
                found.append((one.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found
