"""How many tests a JUnit report tells of. The report is data of the package: it is read in pieces, bounded,
and without entities.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

REPORT_BYTES_MAX = 16 * 1024 * 1024
ELEMENTS_MAX = 100_000
_DEEP_MAX = 16
_CHUNK = 64 * 1024


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
    failed = sum(bool(case.marks & {"failure", "error"}) for case in cases)
    skipped = sum("skipped" in case.marks for case in cases)
    names = [(case.module, case.name.partition("[")[0]) for case in cases]
    reported = ReportedTests(
        functions=frozenset(one for one in names if one[0]),
        skipped_modules=frozenset(name for module, name in names if not module),
    )
    return TestCounts(len(cases) - failed - skipped, failed, skipped), reported


@dataclass
class _Case:
    module: str
    name: str
    marks: set[str] = field(default_factory=set[str])
    """The elements directly in it."""


class _Cases:
    """What the parser tells of a report: only the test cases are kept."""

    def __init__(self) -> None:
        self.found: list[_Case] = []
        self._open: list[str] = []
        self._elements = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        self._elements += 1
        if self._elements > ELEMENTS_MAX or len(self._open) >= _DEEP_MAX:
            raise JunitMalformed("the report has more elements, or deeper ones, than a report of pytest")
        if tag == "testcase":
            self.found.append(_Case(attributes.get("classname", ""), attributes.get("name", "")))
        elif self._open and self._open[-1] == "testcase":
            self.found[-1].marks.add(tag)
        self._open.append(tag)

    def end(self, _tag: str) -> None:
        """An element ends."""
        self._open.pop()

    def doctype(self, *_names: str | None) -> None:
        """A place where entities could be declared."""
        raise JunitMalformed("the report declares entities")


def _cases(path: Path) -> list[_Case]:
    if not path.is_file() or path.stat().st_size > REPORT_BYTES_MAX:
        raise JunitMalformed("the tests left no report: their process ended early")
    cases = _Cases()
    parser = ET.XMLParser(target=cases)  # noqa: S314  # entities are refused where they would be declared
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                parser.feed(chunk)
        parser.close()
    except (ET.ParseError, ValueError, LookupError) as error:
        raise JunitMalformed(f"the report is not XML: {error}") from None
    return cases.found
