"""The line at the end of `make test` counts what happened."""

import importlib.util
import sys
import tempfile
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
SOURCE = ROOT / ".ci" / "suites.py"
REPORT = """<testsuites><testsuite>
<testcase name="a"/><testcase name="b"/>
<testcase name="c"><failure>no</failure><error>nor at teardown</error></testcase>
<testcase name="d"><error>set-up</error></testcase>
<testcase name="e"><skipped/></testcase>
</testsuite></testsuites>"""


def load():
    spec = importlib.util.spec_from_file_location("suites", SOURCE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["suites"] = module
    spec.loader.exec_module(module)
    return module


def test_a_case_counts_once_whatever_failed_in_it(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    assert str(load().read(report)) == "2 passed, 2 failed, 1 skipped"


def test_a_suite_that_dies_without_a_report_counts_as_a_failure(tmp_path, monkeypatch):
    suites = load()
    monkeypatch.setattr(suites, "REPORTS", tmp_path)
    assert suites.run(suites.Suite("crash", [sys.executable, "-c", "raise SystemExit(3)"])) == suites.Tally(
        failed=1
    )


def test_every_file_of_tests_belongs_to_exactly_one_suite_of_the_lanes():
    taken = Counter(path for suite in load().suites() for path in files_of(suite.command))
    assert {path for path, count in taken.items() if count > 1} == set()
    assert set(taken) == {path for path in TESTS.rglob("test_*.py") if path.parent.name != "docs"}


def files_of(command: list[str]) -> set[Path]:
    """The files of tests that a command of pytest takes; none of another command."""
    named = [ROOT / one for one in command if one.startswith("tests")]
    left_out = [ROOT / one.partition("=")[2] for one in command if one.startswith("--ignore=")]
    globs = [one.partition("=")[2] for one in command if one.startswith("--ignore-glob=")]
    found = {file for path in named for file in ([path] if path.is_file() else path.rglob("test_*.py"))}
    return {
        file
        for file in found
        if not any(folder in file.parents for folder in left_out)
        and not any(fnmatch(str(file), one) for one in globs)
    }


def test_what_measures_time_is_left_to_the_end():
    suites = load()
    assert all("not quiet" in suite.command for suite in suites.suites() if "pytest" in suite.command)
    assert "tests/guarantees/test_g10_hostile_programs.py" in suites.quiet().command


def test_a_suite_has_a_folder_for_temporary_files_that_is_gone_afterwards(tmp_path, monkeypatch):
    suites = load()
    monkeypatch.setattr(suites, "REPORTS", tmp_path)
    told = tmp_path / "told"
    program = f"import pathlib, tempfile; pathlib.Path({str(told)!r}).write_text(tempfile.mkdtemp())"
    assert suites.run(suites.Suite("tells", [sys.executable, "-c", program])) == suites.Tally()
    made = Path(told.read_text())
    assert made.parent.name.startswith("optaic-suite-")
    assert not made.parent.exists()


@pytest.mark.parametrize(("lane_bytes", "on_disk"), [(1 << 62, False), (0, True)])
def test_where_memory_is_scarce_or_hidden_temporary_files_lie_on_the_disk(monkeypatch, lane_bytes, on_disk):
    suites = load()
    monkeypatch.setattr(suites, "LANE_BYTES", lane_bytes)
    with suites.scratch(on_disk=on_disk) as folder:
        assert Path(folder).parent == Path(tempfile.gettempdir())


def test_suites_that_keep_their_files_on_the_disk_are_named_as_they_are():
    suites = load()
    assert {suite.name for suite in [*suites.suites(), suites.quiet()]} >= suites.ON_DISK
