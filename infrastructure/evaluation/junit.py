"""How many tests a JUnit report tells of. The report is data of the package: bounded, and without
entities.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

REPORT_BYTES_MAX = 16 * 1024 * 1024


class JunitMalformed(Exception):
    """There is no report that can be read."""


@dataclass(frozen=True)
class TestCounts:
    """Tests by what became of them."""

    passed: int
    failed: int
    skipped: int


@dataclass(frozen=True)
class ReportedTests:
    """Whom a report tells of: (module or module.Class, function), and modules that were skipped whole."""

    functions: frozenset[tuple[str, str]]
    skipped_modules: frozenset[str]

    def missing(self, held: Iterable[tuple[str, str]]) -> list[str]:
        """Those of the tests that files hold of which the report says nothing, sorted."""
        left = {one for one in held if one[0] not in self.skipped_modules} - self.functions
        return sorted(f"{module}.{name}" for module, name in left)


def read_report(path: Path) -> tuple[TestCounts, ReportedTests]:
    """Count and name the cases of pytest's report; raises JunitMalformed."""
    cases = _cases(path)
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    names = [(case.get("classname", ""), case.get("name", "").partition("[")[0]) for case in cases]
    reported = ReportedTests(
        functions=frozenset(one for one in names if one[0]),
        skipped_modules=frozenset(name for module, name in names if not module),
    )
    return TestCounts(len(cases) - failed - skipped, failed, skipped), reported


def _cases(path: Path) -> list[ET.Element]:
    if not path.is_file() or path.stat().st_size > REPORT_BYTES_MAX:
        raise JunitMalformed("the tests left no report: their process ended early")
    content = path.read_bytes()
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise JunitMalformed("the report declares entities")
    try:
        root = ET.fromstring(content)  # noqa: S314  # entities were refused above
    except ET.ParseError as error:
        raise JunitMalformed(f"the report is not XML: {error}") from None
    return list(root.iter("testcase"))
