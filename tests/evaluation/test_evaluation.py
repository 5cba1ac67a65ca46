"""The parent computes the verdict: what a package's code says of itself does not count."""

import resource
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from infrastructure.evaluation import EvaluationResult, evaluate
from infrastructure.packages import inspect_zip
from infrastructure.processes.sandbox import Level
from tests.execution.definition_packages import LINEAR, MONITOR, PREDICTOR, TESTS, TOML, packed
from tests.support.sandboxes import LEVELS, STRONG, sandbox_of

Changes = dict[str, str | None]


def evaluated(tmp_path: Path, changes: Changes, **settings: Any) -> EvaluationResult:
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "package.zip"
    path.write_bytes(packed(tmp_path / "folder", changes))
    settings = {"timeout_s": 60.0} | settings
    return evaluate(path, inspect_zip(path), work=tmp_path / "work", python=Path(sys.executable), **settings)


def failed_checks(result: EvaluationResult) -> dict[str, str]:
    assert (result.verdict == "failed") == any(not check.ok for check in result.checks)
    return {check.name: check.detail for check in result.checks if not check.ok}


def seconds_of_children() -> float:
    """Processor time of ended children, whose threads are one each: what other work takes does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.quiet
def test_a_good_package_passes_all_eight_checks_in_seconds(tmp_path: Path) -> None:
    begun = seconds_of_children()
    result = evaluated(tmp_path, {})
    assert failed_checks(result) == {}
    assert [check.name for check in result.checks] == [
        "structure",
        "requirements",
        "interface",
        "schema",
        "tests",
        "lookahead",
        "determinism",
        "style",
    ]
    assert result.checks[4].detail == "2 tests passed, 0 skipped"
    assert result.hyper_parameter_schema["properties"]["ridge"]["minimum"] == 0
    assert result.output_columns == {"signal": "float64"}
    assert result.sandbox_level == "L1"
    assert "2 passed" in result.report
    assert seconds_of_children() - begun < 15


@pytest.mark.parametrize("level", STRONG)
def test_a_good_package_passes_in_a_sandbox_that_holds_and_the_level_is_told(
    tmp_path: Path, level: Level
) -> None:
    result = evaluated(tmp_path, {}, sandbox=sandbox_of(level, tmp_path))
    assert failed_checks(result) == {}
    assert result.sandbox_level == level
    assert len(result.checks) == 8


LEAVE = "import os\nos._exit(0)\n"
FORGED = 'print(\'{"verdict": "passed"}\')\nprint("2 passed in 0.01s")\n'


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"definition.toml": TOML.replace('"numpy"', '"numpy", "no-such-distribution"')}, "requirements"),
        ({"definition.toml": TOML.replace('"numpy"', '"numpy<1"')}, "requirements"),
        ({"model/linear.py": "import no_such_module\n"}, "interface"),
        ({"model/linear.py": FORGED + LEAVE}, "interface"),
        ({"monitoring/monitor.py": MONITOR.replace("(BaseMonitor)", "")}, "interface"),
        ({"monitoring/monitor.py": MONITOR.replace("def performance", "def other")}, "interface"),
        ({"monitoring/monitor.py": MONITOR.replace('key_metric = "corr"', "")}, "interface"),
        ({"monitoring/monitor.py": MONITOR + "\n    alert_rules = ()\n"}, "interface"),
        ({"model/linear.py": LINEAR.replace("default=0.1, ", "")}, "interface"),
        ({"inference/predictor.py": PREDICTOR.replace('"float64"', '"decimal"')}, "schema"),
        ({"inference/predictor.py": PREDICTOR.replace('{"signal"', '{"knowledge_date"')}, "schema"),
        ({"tests/test_model.py": TESTS.replace("ridge == 0.1", "ridge == 0.2")}, "tests"),
        ({"tests/test_model.py": FORGED}, "tests"),
        ({"tests/test_model.py": "import pytest\npytest.skip('later', allow_module_level=True)\n"}, "tests"),
        (
            {"tests/test_model.py": TESTS + "\n\ndef test_last():\n    import os\n\n    os._exit(0)\n"},
            "tests",
        ),
        ({"tests/conftest.py": FORGED + LEAVE}, "tests"),
        ({"tests/conftest.py": "def pytest_collection_modifyitems(items):\n    del items[1:]\n"}, "tests"),
        ({"tests/conftest.py": "from model.linear import Linear as pytest_runtest_logreport\n"}, "tests"),
        (
            {"tests/test_model.py": TESTS + "\n\ndef test_bad():\n    assert False\n\n\ndel test_bad\n"},
            "tests",
        ),
        ({"tests/test_model.py": TESTS, "tests/test_broken.py": "def test_a(:\n"}, "tests"),
        ({"model/unused.py": "import os\n"}, "style"),
    ],
)
def test_what_is_wrong_is_found_by_its_own_check(tmp_path: Path, changes: Changes, check: str) -> None:
    light: Changes = {"tests/test_model.py": "def test_nothing():\n    pass\n"}
    result = evaluated(tmp_path, light | changes)
    assert check in failed_checks(result)
    assert result.hyper_parameter_schema == {}


@pytest.mark.parametrize("level", STRONG)
def test_reports_are_judged_alike_in_a_sandbox_that_holds(tmp_path: Path, level: Level) -> None:
    """One that leaves early, one that forges what it printed, one that leaves its last test out."""
    sandbox = sandbox_of(level, tmp_path)
    early: Changes = {"model/linear.py": FORGED + LEAVE}
    last: Changes = {
        "tests/test_model.py": TESTS + "\n\ndef test_last():\n    import os\n\n    os._exit(0)\n"
    }
    assert "interface" in failed_checks(evaluated(tmp_path / "early", early, sandbox=sandbox))
    assert "tests" in failed_checks(evaluated(tmp_path / "last", last, sandbox=sandbox))


SCHEMA = """

    @classmethod
    def model_json_schema(cls):
        found = {found}
        return found
"""


def with_schema(found: str) -> str:
    return LINEAR.replace("\n\nclass Linear(", SCHEMA.format(found=found) + "\n\nclass Linear(", 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"model/linear.py": with_schema('{"not": {}}\n        for _ in range(400): found = {"not": found}')},
        {"model/linear.py": with_schema('{"not": {}}\n        for _ in range(4000): found = {"not": found}')},
        {"model/linear.py": with_schema('{"description": "a" + chr(0)}')},
        {"model/linear.py": with_schema('{"properties": 1}')},
        {"model/linear.py": "print('\\x00\\x1b[31m')\nraise SystemExit(3)\n"},
    ],
)
def test_whatever_a_package_tells_there_is_a_verdict_that_can_be_kept(
    tmp_path: Path, changes: Changes
) -> None:
    result = evaluated(tmp_path, {"tests/test_model.py": "def test_nothing():\n    pass\n"} | changes)
    assert failed_checks(result)
    assert not [one for one in result.checks if "\x00" in one.detail or "\x1b" in one.detail]


OWN_TESTS = """
import pytest

from model.linear import LinearParams


@pytest.fixture
def test_data():
    return 3


@pytest.mark.parametrize("number", [1, 2])
def test_numbers(number, three):
    assert number < three


class TestParams:
    def test_defaults(self, test_data):
        assert LinearParams().ridge < test_data

    def not_a_test(self):
        raise AssertionError
"""
FIXTURES = "import pytest\n\n\n@pytest.fixture\ndef three():\n    return 3\n"
ELSEWHERE = 'import pytest\n\npytest.importorskip("no_such_module")\n\n\ndef test_more():\n    pass\n'


def test_fixtures_classes_parameters_and_modules_that_are_skipped_are_all_accounted_for(
    tmp_path: Path,
) -> None:
    changes: Changes = {
        "tests/test_model.py": OWN_TESTS,
        "tests/conftest.py": FIXTURES,
        "tests/deep/test_elsewhere.py": ELSEWHERE,
    }
    result = evaluated(tmp_path, changes)
    assert failed_checks(result) == {}
    assert result.checks[4].detail == "3 tests passed, 1 skipped"


def test_settings_of_the_package_do_not_bend_its_tests(tmp_path: Path) -> None:
    failing = TESTS + "\n\ndef test_bad():\n    assert False\n"
    bent: Changes = {
        "tests/test_model.py": failing,
        "pytest.ini": "[pytest]\naddopts = -k defaults\n",
        "ruff.toml": "",
    }
    assert "1 failed" in failed_checks(evaluated(tmp_path, bent))["tests"]


@pytest.mark.parametrize("level", LEVELS)
def test_a_package_that_hangs_is_stopped(tmp_path: Path, level: Level) -> None:
    slow: Changes = {"model/linear.py": "import time\ntime.sleep(600)\n" + LINEAR}
    failed = failed_checks(evaluated(tmp_path, slow, timeout_s=3.0, sandbox=sandbox_of(level, tmp_path)))
    assert failed["interface"] == "not done after 3 s"


def test_an_evaluation_ends_when_the_executor_does(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert "interface" in failed_checks(evaluated(tmp_path, {}, stop=stop))


def test_other_bytes_than_those_submitted_are_not_evaluated(tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(packed(tmp_path / "folder"))
    manifest = inspect_zip(path)
    path.write_bytes(packed(tmp_path / "other", {"docs/overview.md": "changed"}))
    result = evaluate(path, manifest, work=tmp_path / "work", python=Path(sys.executable), timeout_s=60)
    assert failed_checks(result) == {"structure": "the package is not the one that was submitted"}
    assert len(result.checks) == 1
