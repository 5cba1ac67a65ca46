"""Run every suite, two at a time, and end with one line: `N passed, N failed, N skipped`."""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "var" / "reports"
HEAVY = (
    "tests/guarantees",
    "tests/kafka",
    "tests/roles",
    "tests/demo",
    "tests/cli",
    "tests/examples",
    "tests/evaluation",
    "tests/wiring",
    "tests/http",
    "tests/simulation",
    "tests/execution",
    "tests/s3",
)
"""Suites that start processes or servers, after the others; the longest first: both lanes end together."""
LANES = min(2, os.cpu_count() or 1)
"""Suites that run at a time; most of a heavy one is waiting."""
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
    """All suites in the order in which they begin."""
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
    """Run a suite and tell what it said; a failure that no test shows (style, a crash) counts as one."""
    begin = time.monotonic()
    done = subprocess.run(
        suite.command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    told = done.stdout.decode(errors="replace")
    print(f"\n== {suite.name}, {time.monotonic() - begin:.0f} s\n{told}", end="", flush=True)
    tally = read(suite.report) if suite.report.exists() else Tally()
    return tally + Tally(failed=1) if done.returncode and not tally.failed else tally


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
    with ThreadPoolExecutor(LANES) as lanes:
        total = sum(lanes.map(run, suites()), Tally())
    print(f"\n{total}")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
