"""The example definitions as packages: well formed, tested by themselves, clean by default rules."""

import os
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest
from packaging.requirements import Requirement

from domain.ml_module_def.manifest import Manifest
from infrastructure.packages.reader import inspect_zip
from optaic.mlops import base
from optaic.mlops.base import Evaluation
from optaic.mlops.packaging import pack
from tests.examples.definitions import EXAMPLES, PACKAGES, SECOND_VERSION, load_definition

SDK = EXAMPLES.parent / "sdk"
BASES = {
    "model": base.BaseModel,
    "features": base.BaseFeatures,
    "target": base.BaseTarget,
    "trainer": base.BaseTrainer,
    "evaluator": base.BaseEvaluator,
    "predictor": base.BasePredictor,
    "monitor": base.BaseMonitor,
}


def inspected(package: str, folder: Path) -> Manifest:
    zipped = folder / f"{package}.zip"
    zipped.write_bytes(pack(EXAMPLES / package))
    return inspect_zip(zipped)


def run_in(package: str, scratch: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A module of this Python inside the package, with only its root and the SDK put on the path."""
    return subprocess.run(
        [sys.executable, "-P", "-s", "-m", *arguments],
        cwd=EXAMPLES / package,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(scratch),
            "PYTHONPATH": os.pathsep.join([str(EXAMPLES / package), str(SDK)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "OMP_NUM_THREADS": "1",
            "TZ": "UTC",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_the_structure_of_a_definition(package: str, tmp_path: Path):
    manifest = inspected(package, tmp_path)
    named = ("xgb-signal", "1.1.0") if package == SECOND_VERSION else (package, "1.0.0")
    assert (manifest.name, manifest.version) == named
    assert manifest.contracts


@pytest.mark.parametrize("package", PACKAGES)
def test_each_alert_rule_watches_a_figure_that_a_monitoring_tells(package: str, tmp_path: Path):
    manifest = inspected(package, tmp_path)
    assert manifest.alerts
    fresh = {f"freshness.sessions.{one.role}" for one in manifest.inputs}
    for rule in manifest.alerts:
        assert rule.metric in {"drift.share", *fresh} or rule.metric.startswith("performance.")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_performance_that_a_rule_watches_is_measured_by_the_monitor(package: str, tmp_path: Path):
    rules = inspected(package, tmp_path).alerts or ()
    watched = {rule.metric.removeprefix("performance.") for rule in rules if "performance." in rule.metric}
    assert watched <= set(load_definition(package).monitor().performance(Evaluation(realised(package))))


def realised(package: str) -> pl.DataFrame:
    """Two dates of three entities, in each column that an example predicts."""
    days = [date(2020, 1, 1)] * 3 + [date(2020, 1, 8)] * 3
    values = dict.fromkeys(load_definition(package).predictor.columns, [-1.0, 0.0, 1.0] * 2)
    outcome = [0.0, 1.0, 1.0] * 2 if package == "gmm-regime" else [0.1, -0.2, 0.3] * 2
    return pl.DataFrame({"date": days, "entity": ["a", "b", "c"] * 2} | values | {"outcome": outcome})


def test_the_second_version_of_the_signal_differs_from_the_first_in_its_model_only(tmp_path: Path):
    first, second = (inspected(package, tmp_path) for package in ("xgb-signal", SECOND_VERSION))
    for part in ("category", "inputs", "contracts", "alerts", "entry_points"):
        assert getattr(first, part) == getattr(second, part)
    for file in ("training/features.py", "training/trainer.py", "tests/conftest.py", "docs/interface.md"):
        one, other = (EXAMPLES / package / file for package in ("xgb-signal", SECOND_VERSION))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_same_folder_gives_the_same_package(package: str, tmp_path: Path):
    assert pack(EXAMPLES / package) == pack(EXAMPLES / package)


@pytest.mark.parametrize("package", PACKAGES)
def test_requirements_hold_in_the_locked_environment(package: str, tmp_path: Path):
    for text in inspected(package, tmp_path).requirements:
        requirement = Requirement(text)
        assert version(requirement.name) in requirement.specifier


@pytest.mark.parametrize("package", PACKAGES)
def test_every_entry_point_is_of_its_base_class(package: str):
    definition = load_definition(package)
    for role, wanted in BASES.items():
        assert issubclass(getattr(definition, role), wanted)
    assert definition.model(definition.model.Params())


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_passes_its_own_tests_in_a_process_of_its_own(package: str, tmp_path: Path):
    done = run_in(
        package, tmp_path, "pytest", "-q", "--rootdir=.", "-c", os.devnull, "-p", "no:cacheprovider"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_clean_under_the_default_rules(package: str, tmp_path: Path):
    done = run_in(package, tmp_path, "ruff", "check", "--isolated", "--no-cache", ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_contract_of_the_regimes_names_the_columns_that_the_predictor_writes(tmp_path: Path):
    columns = load_definition("gmm-regime").predictor.columns
    contracts = {one.kind: one.config for one in inspected("gmm-regime", tmp_path).contracts}
    assert contracts["signal.schema"]["columns"] == columns
    assert set(contracts["regime.probabilities"]["columns"]) < set(columns)


@pytest.mark.parametrize("package", ["feature-relevance", "ranker-filter"])
def test_the_price_features_of_other_definitions_are_those_of_the_signal(package: str):
    copied = EXAMPLES / package / "training" / "price_features.py"
    assert copied.read_bytes() == (EXAMPLES / "xgb-signal" / "training" / "features.py").read_bytes()
