"""Run every suite, cheapest first, and end with one line: `N passed, N failed, N skipped`.

One at a time: two together take as long on two cores, and those that measure a time limit fail.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import psutil

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "var" / "reports"
HEAVY = (
    "tests/examples",
    "tests/evaluation",
    "tests/execution",
    "tests/http",
    "tests/cli",
    "tests/wiring",
    "tests/demo",
    "tests/simulation",
    "tests/s3",
    "tests/kafka",
    "tests/roles",
    "tests/guarantees",
)
"""Suites that start processes or servers: after the others, those that exist."""
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
MEMORY_BYTES = 6 << 30
"""What a suite's temporary files may come to, and what its processes need beside them."""
TOOLS = {
    "git": "apt-get install git (the documents' tests look at the committed files)",
    "curl": "apt-get install curl (the README's lines are run)",
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
    """All suites in the order in which they run."""
    heavy = [folder for folder in HEAVY if (ROOT / folder).is_dir()]
    light = ["tests", "--ignore=tests/docs", *(f"--ignore={folder}" for folder in heavy)]
    return [
        Suite("documents", ["make", "--no-print-directory", "--keep-going", "check"]),
        _pytest("unit", light),
        *(_pytest(Path(folder).name, [folder]) for folder in heavy),
    ]


def _pytest(name: str, arguments: list[str]) -> Suite:
    report = f"--junitxml={REPORTS / name}.xml"
    return Suite(name, [sys.executable, "-m", "pytest", "-q", "--durations=5", *arguments, report])


def run(suite: Suite) -> Tally:
    """Run a suite; a failure that no test shows (style, types, a crash) counts as one."""
    print(f"\n== {suite.name}", flush=True)
    with scratch() as folder:
        environment = {**os.environ, "TMPDIR": folder}
        status = subprocess.run(suite.command, cwd=ROOT, env=environment, check=False).returncode
    tally = read(suite.report) if suite.report.exists() else Tally()
    return tally + Tally(failed=1) if status and not tally.failed else tally


@contextmanager
def scratch() -> Iterator[str]:
    """A folder for temporary files, in memory where there is room.

    A command waits for its file to be synced, and the suites send them by the ten thousand. Of what the tests
    look for a disk shows nothing more: a killed process leaves the same file, and syncs are counted as calls.
    """
    room = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available) if MEMORY.is_dir() else 0
    place = MEMORY if room >= MEMORY_BYTES else None
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
    total = sum((run(suite) for suite in suites()), Tally())
    print(f"\n{total}")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
