"""An evaluation trains and predicts on a sample: what looks ahead or differs each time is refused."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from domain.ml_module_def.manifest import InputRole
from infrastructure.evaluation import EvaluationResult, evaluate
from infrastructure.evaluation.checks import CheckFailed, Evaluation, Rehearsed, scale_free
from infrastructure.packages import inspect_zip
from optaic.mlops.packaging import pack
from tests.evaluation.test_evaluation import evaluated, failed_checks, seconds_of_children
from tests.examples.definitions import EXAMPLES, PACKAGES
from tests.execution.definition_packages import LINEAR, PARTS, PREDICTOR, TESTS, TOML, with_fit
from tests.support.valid import manifest

LIGHT: dict[str, str | None] = {"tests/test_model.py": "def test_nothing():\n    pass\n"}


def details(result: EvaluationResult) -> dict[str, str]:
    return {check.name: check.detail for check in result.checks}


def test_an_honest_package_is_checked_on_generated_data(tmp_path: Path) -> None:
    result = evaluated(tmp_path, LIGHT)
    assert failed_checks(result) == {}
    assert details(result)["lookahead"].startswith("no lookahead on generated data (one cross-section")
    assert details(result)["determinism"].startswith("trained twice on generated data")


@pytest.fixture(scope="module")
def one_import() -> float:
    """Seconds of processor that a process needs to import what the examples import."""
    begun = seconds_of_children()
    subprocess.run([sys.executable, "-c", "import polars, xgboost, lightgbm"], check=True)
    return seconds_of_children() - begun


@pytest.mark.quiet
@pytest.mark.parametrize("package", PACKAGES)
def test_the_examples_are_checked_for_six_imports(tmp_path: Path, package: str, one_import: float) -> None:
    """Four processes import everything, the rest is work: 15 s where an import takes 2.5 s."""
    path = tmp_path / "package.zip"
    path.write_bytes(pack(EXAMPLES / package))
    begun = seconds_of_children()
    result = evaluate(
        path, inspect_zip(path), work=tmp_path / "work", python=Path(sys.executable), timeout_s=60
    )
    assert failed_checks(result) == {}
    assert seconds_of_children() - begun < 6 * one_import
    found = details(result)
    own = (EXAMPLES / package / "tests" / "reference_sample.py").exists()
    sample = "tests/reference_sample.py" if own else "generated data"
    assert found["lookahead"].startswith(f"no lookahead on {sample}"), found
    assert found["determinism"].startswith("trained twice"), found
    assert ("scale_free" in found) == ("scale_free" in (EXAMPLES / package / "definition.toml").read_text())


@pytest.mark.parametrize(
    "leak",
    ["close.shift(-3).over('entity') / close - 1", "close / close.mean().over('entity')"],
)
def test_a_feature_that_looks_ahead_is_refused_by_name(tmp_path: Path, leak: str) -> None:
    honest = '(close / close.shift(5).over("entity") - 1)'
    assert honest in PARTS
    found = failed_checks(
        evaluated(tmp_path, LIGHT | {"training/parts.py": PARTS.replace(honest, f"({leak})")})
    )
    assert list(found) == ["lookahead"]
    assert "features: pit.lookahead momentum_5 (truncate" in found["lookahead"]


FREE = TOML.replace('columns = ["close"]\n', 'columns = ["close"]\nscale_free = true\n')


def test_a_level_in_an_input_that_claims_to_be_scale_free_is_refused(tmp_path: Path) -> None:
    honest = '(close / close.shift(5).over("entity") - 1)'
    level = {"training/parts.py": PARTS.replace(honest, "(close - 50)"), "definition.toml": FREE}
    found = failed_checks(evaluated(tmp_path, LIGHT | level))
    assert list(found) == ["scale_free"]
    assert "pit.restated_history features momentum_5" in found["scale_free"]


@pytest.mark.parametrize(
    ("rehearsed", "words"),
    [
        (None, "no training on a sample"),
        (Rehearsed(not_checked="no sample"), "no sample; give the definition a tests/reference_sample.py"),
        (Rehearsed(sample="a sample"), "prices is not in a sample"),
        (Rehearsed(scaled={"prices": ["x differs"]}), "x differs"),
    ],
)
def test_what_was_not_proved_scale_free_fails(tmp_path: Path, rehearsed: Any, words: str) -> None:
    free = manifest(inputs=(InputRole(role="prices", columns=("close",), scale_free=True),))
    evaluation = Evaluation(tmp_path, free, tmp_path, Path(sys.executable), 1.0)
    evaluation.rehearsed.set_result(rehearsed)
    with pytest.raises(CheckFailed, match=words):
        scale_free(evaluation)
    proved = Evaluation(tmp_path, free, tmp_path, Path(sys.executable), 1.0)
    proved.rehearsed.set_result(Rehearsed(sample="a sample", scaled={"prices": []}))
    assert scale_free(proved) == "on a sample, nothing depends on the scale of prices"


def test_a_predictor_that_scales_by_later_rows_is_refused(tmp_path: Path) -> None:
    leaky = PREDICTOR.replace("raw * 10", "(raw - raw.mean()) / raw.std()")
    found = failed_checks(evaluated(tmp_path, LIGHT | {"inference/predictor.py": leaky}))
    assert list(found) == ["lookahead"]
    assert "predictions: pit.lookahead signal" in found["lookahead"]
    assert "features:" not in found["lookahead"]


def test_a_model_without_a_seed_is_not_deterministic(tmp_path: Path) -> None:
    found = failed_checks(
        evaluated(tmp_path, LIGHT | with_fit("features = features + np.random.default_rng().normal()"))
    )
    assert list(found) == ["determinism"]
    assert "the model file and the predictions differ" in found["determinism"]


def test_a_model_file_with_the_time_in_it_is_not_deterministic(tmp_path: Path) -> None:
    stamped = LINEAR.replace(
        '(folder / "weights.txt")',
        STAMP,
        1,
    )
    found = failed_checks(evaluated(tmp_path, LIGHT | {"model/linear.py": stamped}))
    assert "the model file differ" in found["determinism"]


STAMP = 'import time\n        (folder / "t").write_text(str(time.time()))\n        (folder / "weights.txt")'
NEEDS_CURRENCY = PARTS.replace(
    '        close = pl.col("close")\n        return frames',
    '        close = pl.col("close")\n        assert set(frames["prices"]["currency"]) == {"EUR"}\n'
    "        return frames",
    1,
)
SAMPLE = '''
"""Twenty weeks of a small market in euros."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl


def frames():
    """One role."""
    days = [date(2020, 1, 1) + timedelta(days=n) for n in range(140)]
    known = [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in days]
    walk = np.exp(np.random.default_rng(1).normal(0, 0.02, 140).cumsum())
    moments = pl.Series(known, dtype=pl.Datetime("us", "UTC"))
    key = {"entity": ["e"] * 140, "date": days, "knowledge_date": moments}
    rows = key | {"close": walk, "currency": ["EUR"] * 140}
    return {"prices": pl.DataFrame(rows)}
'''


def test_what_generated_data_cannot_rehearse_is_said_to_be_unchecked(tmp_path: Path) -> None:
    assert NEEDS_CURRENCY != PARTS
    result = evaluated(tmp_path, LIGHT | {"training/parts.py": NEEDS_CURRENCY})
    assert failed_checks(result) == {}
    assert details(result)["lookahead"].startswith(
        "not checked: no tests/reference_sample.py, and on generated"
    )
    assert details(result)["determinism"].startswith("not checked: ")


def test_a_sample_of_its_own_makes_a_definition_checkable(tmp_path: Path) -> None:
    changes: dict[str, str | None] = {
        "training/parts.py": NEEDS_CURRENCY,
        "tests/reference_sample.py": SAMPLE,
    }
    result = evaluated(tmp_path, LIGHT | changes)
    assert failed_checks(result) == {}
    assert details(result)["lookahead"].startswith("no lookahead on tests/reference_sample.py")
    shutil.rmtree(tmp_path / "work")
    broken = {"tests/reference_sample.py": SAMPLE.replace('"EUR"', '"USD"')}
    assert "AssertionError" in failed_checks(evaluated(tmp_path, LIGHT | changes | broken))["lookahead"]


def test_a_training_that_leaves_early_has_not_passed(tmp_path: Path) -> None:
    found = failed_checks(evaluated(tmp_path, LIGHT | with_fit("import os\nos._exit(0)")))
    assert found == {"lookahead": "training and predicting on a sample ended its process early"}


def test_the_full_package_still_runs_its_own_tests(tmp_path: Path) -> None:
    assert (
        details(evaluated(tmp_path, {"tests/test_model.py": TESTS}))["tests"] == "2 tests passed, 0 skipped"
    )
