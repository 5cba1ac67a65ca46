"""Run every suite, `make check` first, and end with one line: `N passed, N failed, N skipped`.

Two lanes take one suite after another, each in a process with servers and files of its own. Tests marked
`quiet` measure time or use up the machine: they are left out and run in the end, when nothing else does.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT
from xml.etree import ElementTree as ET

import psutil

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "var" / "reports"
LANES = 2
LANE_BYTES = 4 << 30
"""What the servers and programs of a suite may come to, and its temporary files where they lie in memory."""
STACKS = [
    f"tests/guarantees/{path.name}" for path in sorted((ROOT / "tests/guarantees").glob("test_roles_*.py"))
]
HEAVY = {
    "guarantees-of-roles": STACKS,
    "guarantees": ["tests/guarantees", "--ignore-glob=*/guarantees/test_roles_*.py"],
    "kafka": ["tests/kafka"],
    "demo": ["tests/demo"],
    "roles": ["tests/roles"],
    "cli": ["tests/cli"],
    "evaluation": ["tests/evaluation"],
    "examples": ["tests/examples"],
    "simulation": ["tests/simulation"],
    "http": ["tests/http"],
    "wiring": ["tests/wiring"],
    "execution": ["tests/execution"],
    "s3": ["tests/s3"],
}
"""Suites that start processes or servers, beside that of all other folders.

The long ones come first, so that the lanes end together, and between two that disturb a Kafka comes another.
"""
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
TOOLS = {
    "git": "apt-get install git (the documents' tests look at the committed files)",
    "curl": "apt-get install curl (the README's lines are run)",
    "bwrap": "apt-get install bubblewrap (level L3 of the sandbox is proved)",
    "strace": "apt-get install strace (the guarantees count the syncs of an append)",
    "java": "apt-get install openjdk-17-jre-headless (a real Kafka is started)",
    "mvn": "apt-get install maven (it resolves Kafka's jars, once a machine)",
}
"""What the tests need beside Python packages, and where it comes from."""


@dataclass(frozen=True)
class Suite:
    """One command and the JUnit file that it writes."""

    name: str
    command: list[str]

    @property
    def report(self) -> Path:
        """Where its results are."""
        return REPORTS / f"{self.name}.xml"


@dataclass(frozen=True)
class Tally:
    """What became of tests."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def suites() -> list[Suite]:
    """The suites of the lanes, in the order in which they are taken."""
    folders = {path for paths in HEAVY.values() for path in paths if (ROOT / path).is_dir()}
    others = ["tests", "--ignore=tests/docs", *(f"--ignore={folder}" for folder in sorted(folders))]
    return [
        Suite("documents", ["make", "--no-print-directory", "--keep-going", "check"]),
        _pytest("unit", ["-m", "not quiet", *others]),
        *(_pytest(name, ["-m", "not quiet", *paths]) for name, paths in HEAVY.items()),
    ]


def quiet() -> Suite:
    """The tests that want the machine for themselves."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    marked = [str(path.relative_to(ROOT)) for path in files if "pytest.mark.quiet" in path.read_text("utf-8")]
    return _pytest("quiet", ["-m", "quiet", *marked])


def _pytest(name: str, arguments: list[str]) -> Suite:
    report = f"--junitxml={REPORTS / name}.xml"
    unused = ["cacheprovider", "faker", *(["schemathesis"] if name != "guarantees" else [])]
    options = ["-q", "--durations=5", *(word for plugin in unused for word in ("-p", f"no:{plugin}"))]
    return Suite(name, [sys.executable, "-m", "pytest", *options, *arguments, report])


def run(suite: Suite) -> Tally:
    """Run a suite and print what it said; a failure that no test shows (style, a crash) counts as one."""
    print(f"== {suite.name} begins", flush=True)
    begin = time.monotonic()
    with scratch() as folder:
        environment = {**os.environ, "TMPDIR": folder}
        done = subprocess.run(
            suite.command, cwd=ROOT, env=environment, text=True, stdout=PIPE, stderr=STDOUT, check=False
        )
    tally = read(suite.report) if suite.report.exists() else Tally()
    if done.returncode and not tally.failed:
        tally += Tally(failed=1)
    print(f"\n{done.stdout}\n== {suite.name}: {tally} in {time.monotonic() - begin:.0f} s\n", flush=True)
    return tally


def lanes() -> int:
    """How many suites run at once: as many as there is memory for."""
    return max(1, min(LANES, psutil.virtual_memory().available // LANE_BYTES))


@contextmanager
def scratch() -> Iterator[str]:
    """A folder for temporary files, in memory where there is room.

    A command waits for its file to be synced, and the suites send them by the ten thousand. Of what the tests
    look for a disk shows nothing more: a killed process leaves the same file, and syncs are counted as calls.
    """
    room = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) if MEMORY.is_dir() else 0
    place = MEMORY if room >= LANE_BYTES else None
    with tempfile.TemporaryDirectory(prefix="optaic-suite-", dir=place, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL, which refuses to run as root, runs as another user
        yield folder


def read(report: Path) -> Tally:
    """Count the cases of a JUnit file."""
    total = Tally()
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - written by our own pytest
        found = {child.tag for child in case}
        if found & {"failure", "error"}:
            total += Tally(failed=1)
        elif "skipped" in found:
            total += Tally(skipped=1)
        else:
            total += Tally(passed=1)
    return total


def main() -> int:
    """Exit status: 0 when everything passed, 1 when something failed, 2 when a tool is missing."""
    missing = [f"{tool} is missing: {remedy}" for tool, remedy in TOOLS.items() if not shutil.which(tool)]
    if missing:
        print("\n".join(missing))
        return 2
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    with ThreadPoolExecutor(lanes()) as taken:
        total = sum(taken.map(run, suites()), Tally())
    total += run(quiet())
    print(f"\n{total}")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
