"""The line at the end of `make test` counts what happened."""

import importlib.util
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / ".ci" / "suites.py"
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


def test_every_folder_of_tests_belongs_to_exactly_one_suite():
    commands = [suite.command for suite in load().suites()]
    unit = next(command for command in commands if "--ignore=tests/docs" in command)
    heavy = [command for command in commands if command is not unit and "pytest" in command]
    ignored = {argument.removeprefix("--ignore=") for argument in unit if argument.startswith("--ignore=")}
    assert ignored - {"tests/docs"} == {
        folder for command in heavy for folder in command if "tests/" in folder[:6]
    }


def test_a_suite_has_a_folder_for_temporary_files_that_is_gone_afterwards(tmp_path, monkeypatch):
    suites = load()
    monkeypatch.setattr(suites, "REPORTS", tmp_path)
    told = tmp_path / "told"
    program = f"import pathlib, tempfile; pathlib.Path({str(told)!r}).write_text(tempfile.mkdtemp())"
    assert suites.run(suites.Suite("tells", [sys.executable, "-c", program])) == suites.Tally()
    made = Path(told.read_text())
    assert made.parent.name.startswith("optaic-suite-")
    assert not made.parent.exists()


def test_where_memory_is_scarce_temporary_files_lie_on_the_disk(monkeypatch):
    suites = load()
    monkeypatch.setattr(suites, "MEMORY_BYTES", 1 << 62)
    with suites.scratch() as folder:
        assert suites.MEMORY not in Path(folder).parents
