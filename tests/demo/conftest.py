"""The demonstration is played once; every test looks at what it printed and what it left."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from domain.shared.activity import RecordedEvent
from infrastructure.activity_log import open_readonly
from infrastructure.bootstrap import log_path

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test of the demonstration comes first waits for it."""
    for item in items:
        if "played" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(SECONDS_MAX))


@dataclass(frozen=True)
class Played:
    """One demonstration: what it said, where it played, and the log that it left."""

    status: int
    text: str
    data: Path
    home: Path
    events: list[RecordedEvent]

    def at(self, position: int) -> RecordedEvent:
        return self.events[position - 1]


def demo(data: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """The command as a user gives it, in a home of its own."""
    home.mkdir(exist_ok=True)
    program = [sys.executable, "-P", "-m", "infrastructure.cli.main", "demo", "--data", str(data)]
    surroundings = {"HOME": str(home), "XDG_DATA_HOME": str(home / "share"), "PYTHONPATH": str(ROOT)}
    environment = {"PATH": os.environ["PATH"], **surroundings}
    return subprocess.run(
        program, cwd=home, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )


def lines(played: Played, pattern: str) -> list[Any]:
    """What a pattern finds in the account, line by line; something it must."""
    found = re.findall(pattern, played.text, re.MULTILINE)
    assert found, f"the account says nothing like {pattern}"
    return found


def events_of(played: Played, kind: Any) -> list[Any]:
    """The events of one class or several, in the log's order."""
    return [recorded for recorded in played.events if isinstance(recorded.event, kind)]


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """The service on a data folder; yields its address."""
    program = [
        sys.executable,
        "-P",
        "-m",
        "infrastructure.cli.main",
        "up",
        "--data",
        str(data),
        "--port",
        "0",
    ]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            yield re.findall(r"http://127\.0\.0\.1:\d+", service.stdout.readline())[0]
        finally:
            service.terminate()


@pytest.fixture(scope="session")
def played(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("demo")
    done = demo(scratch / "data", scratch / "home")
    with open_readonly(log_path(scratch / "data")) as log:
        events = list(log.read(0, 100_000))
    return Played(done.returncode, done.stdout, scratch / "data", scratch / "home", events)
