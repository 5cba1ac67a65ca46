"""A report is read as data of somebody who lies: bounded in time, memory and what it may declare."""

import resource
from pathlib import Path

import pytest

from infrastructure.evaluation.junit import JunitMalformed, read_report

GOOD = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_one[1]"><properties><failure/></properties></testcase>
<testcase classname="tests.test_a" name="test_two"><failure message="x">é</failure></testcase>
<testcase classname="tests.test_a" name="test_three"><error/></testcase>
<testcase classname="" name="tests.test_b"><skipped/></testcase>
</testsuite></testsuites>
"""
DOCTYPE = '<?xml version="1.0" encoding="{0}"?><!DOCTYPE t [<!ENTITY a "aaaa">]><t>&a;</t>'
HOSTILE = {
    "many": b"<t>" + b"<a/>" * 4_000_000 + b"</t>",
    "deep": b"<a>" * 2_000_000,
    "cases": b"<t>" + b'<testcase classname="c" name="n"/>' * 400_000 + b"</t>",
    "long": b"<t a='" + b"x" * (16 << 20) + b"'/>",
    "entities": DOCTYPE.format("utf-8").encode(),
    "entities in another encoding": DOCTYPE.format("utf-16").encode("utf-16"),
    "none": b"",
    "half": GOOD.encode()[:200],
    "no such encoding": b'<?xml version="1.0" encoding="klingon"?><t/>',
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "report.xml"


def test_the_cases_of_a_report_are_counted_and_named(path: Path) -> None:
    path.write_text(GOOD, encoding="utf-8")
    counts, reported = read_report(path)
    assert (counts.passed, counts.failed, counts.skipped) == (1, 2, 1)
    assert reported.functions == {("tests.test_a", f"test_{one}") for one in ("one", "two", "three")}
    assert reported.skipped_modules == {"tests.test_b"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_report_is_refused_before_it_takes_much(path: Path, name: str) -> None:
    path.write_bytes(HOSTILE[name])
    before = resource.getrusage(resource.RUSAGE_SELF)
    with pytest.raises(JunitMalformed):
        read_report(path)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime - before.ru_utime < 3
    assert after.ru_maxrss - before.ru_maxrss < 100 * 1024
