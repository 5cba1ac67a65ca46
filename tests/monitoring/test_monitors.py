"""The monitors of the SDK, as a notebook uses them."""

import subprocess
import sys
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optaic.mlops.measures.monitored import is_degraded, performance_metrics
from optaic.mlops.monitoring import Check, DataDriftMonitor, PerformanceMonitor, TestSuite


def rows(size: int = 400, centre: float = 0.0, seed: int = 1) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "entity": ["a"] * size,
            "date": [date(2020, 1, 1) + timedelta(days=n) for n in range(size)],
            "x": draw.normal(centre, 1, size),
            "y": draw.normal(0, 1, size),
        }
    )


def judged(skill: float) -> pl.DataFrame:
    """Signals of ten entities on thirty dates; `skill` is how much of the outcome they know."""
    draw = np.random.default_rng(2)
    outcome, noise = draw.normal(size=300), draw.normal(size=300)
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(30)]
    return pl.DataFrame(
        {
            "date": [day for day in days for _ in range(10)],
            "entity": [f"e{n}" for _ in days for n in range(10)],
            "signal": np.tanh(skill * outcome + (1 - skill) * noise),
            "outcome": outcome,
        }
    )


def test_only_the_column_that_moved_has_drifted() -> None:
    report = DataDriftMonitor(rows()).run(rows(centre=1.0, seed=2))
    assert report.drifted == ("x",)
    assert report.metrics["drift.share"] == 0.5
    assert set(report.metrics) == {"drift.feature.x", "drift.feature.y", "drift.share"}


def test_rows_that_are_too_few_are_named_and_the_bound_can_be_moved() -> None:
    few = rows(50)
    assert DataDriftMonitor(rows(), columns=["x"]).run(few).not_measured == {"x": "50 values, 100 are needed"}
    assert DataDriftMonitor(rows(), columns=["x"], method="ks", rows_min=10).run(few).not_measured == {}


def test_an_unknown_method_or_column_is_refused() -> None:
    with pytest.raises(ValueError, match="'entropy' is none of psi, wasserstein, ks"):
        DataDriftMonitor(rows(), method="entropy")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="there is no column 'z'"):
        DataDriftMonitor(rows(), columns=["z"])


def test_a_model_that_lost_half_its_skill_is_degraded_and_one_that_kept_it_is_not() -> None:
    baseline = PerformanceMonitor().run(judged(0.6)).metrics
    known = {name.removeprefix("performance."): value for name, value in baseline.items()}
    monitor = PerformanceMonitor(baseline=known)
    assert monitor.run(judged(0.6)).degraded is False
    worse = monitor.run(judged(0.2))
    assert worse.degraded is True
    assert worse.metrics["performance.rank_ic.degradation"] > 0.2
    assert worse.metrics["performance.rank_ic.baseline"] == known["rank_ic"]
    assert PerformanceMonitor().run(judged(0.2)).degraded is None


def test_predictions_without_any_outcome_have_no_figures_and_are_not_degraded() -> None:
    monitor = PerformanceMonitor(baseline={"rank_ic": 0.1})
    for frame in (judged(0.5).clear(), judged(0.5).with_columns(outcome=pl.lit(None, dtype=pl.Float64))):
        report = monitor.run(frame)
        assert report.degraded is None
        assert "performance.rank_ic" not in report.metrics


@given(st.floats(0.01, 1), st.floats(-1, 1))
def test_degradation_is_the_share_that_was_lost(then: float, now: float) -> None:
    metrics = performance_metrics({"rank_ic": now, "log_loss": then}, {"rank_ic": then, "log_loss": then})
    lost = metrics["performance.rank_ic.degradation"]
    assert lost == pytest.approx((then - now) / then)
    assert metrics["performance.log_loss.degradation"] == 0
    assert is_degraded("rank_ic", metrics, 0.2) is (lost >= 0.2)


def test_less_is_better_for_a_loss() -> None:
    metrics = performance_metrics({"log_loss": 0.75, "own": 3.0}, {"log_loss": 0.5, "own": 2.0}, ["own"])
    assert metrics["performance.log_loss.degradation"] == 0.5
    assert metrics["performance.own.degradation"] == 0.5


def test_a_suite_judges_metrics_and_what_was_not_measured_does_not_pass() -> None:
    suite = TestSuite(
        Check("drift.share", "le", 0.3), Check("coverage.entities", "ge", 20), Check("quality.none", "lt", 1)
    )
    result = suite.run({"drift.share": 0.3, "coverage.entities": 19})
    assert [one.passed for one in result.results] == [True, False, False]
    assert [one.check.metric for one in result.failed] == ["coverage.entities", "quality.none"]
    assert not result.ok
    assert TestSuite(Check("x", "gt", 1)).run({"x": 2}).ok
    with pytest.raises(ValueError, match="'near' is none of gt, ge, lt, le"):
        TestSuite(Check("x", "near", 1))  # pyright: ignore[reportArgumentType]


def test_importing_the_monitors_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom optaic.mlops import monitoring\n"
        "print(sorted({'numpy', 'polars', 'pandas', 'evidently', 'scipy'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
