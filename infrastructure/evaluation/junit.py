"""How many tests a JUnit report tells of. The report is data of the package: bounded, and without
entities.
"""

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


def read_counts(path: Path) -> TestCounts:
    """Count the cases of pytest's report; raises JunitMalformed."""
    if not path.is_file() or path.stat().st_size > REPORT_BYTES_MAX:
        raise JunitMalformed("the tests left no report: their process ended early")
    content = path.read_bytes()
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise JunitMalformed("the report declares entities")
    try:
        root = ET.fromstring(content)  # noqa: S314  # entities were refused above
    except ET.ParseError as error:
        raise JunitMalformed(f"the report is not XML: {error}") from None
    cases = list(root.iter("testcase"))
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    return TestCounts(len(cases) - failed - skipped, failed, skipped)
