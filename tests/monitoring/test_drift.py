"""How far a sample has moved: the arithmetic against Evidently's, and what a threshold makes of it."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from optaic.mlops.base import BaseMonitor
from optaic.mlops.measures import drift
from optaic.mlops.measures.comparing import Pair, Pinned, compare, distributions, own_scores, share
from optaic.mlops.measures.evidently_scores import EvidentlyScores
from optaic.mlops.measures.profiles import profile
from optaic.mlops.pipelines.watching import pins
from optaic.mlops.runner.connection import RunRefused

USUAL = Pinned("psi", 0.2)
SAMPLES = arrays.arrays(
    np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6, allow_nan=False, width=32)
)


def normal(size: int, centre: float = 0.0, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(centre, 1.0, size)


def compared(reference: pl.DataFrame, current: pl.DataFrame, how: Pinned = USUAL, rows_min: int = 100):
    known = profile(reference, reference.columns)
    return {one.column: one for one in compare(known, current, dict.fromkeys(known, how), rows_min=rows_min)}


@pytest.mark.parametrize("method", drift.METHODS)
def test_a_sample_of_the_same_law_has_not_drifted_and_a_shifted_one_has(method: drift.Method) -> None:
    reference = pl.DataFrame({"x": normal(2000)})
    how = Pinned(method, 0.2)
    assert not compared(reference, pl.DataFrame({"x": normal(1000, seed=2)}), how)["x"].drifted
    assert compared(reference, pl.DataFrame({"x": normal(1000, 1.0, 2)}), how)["x"].drifted


@given(SAMPLES)
def test_a_sample_is_no_distance_from_itself(sample: np.ndarray) -> None:
    for method in drift.METHODS:
        assert drift.score(method, sample, sample) == pytest.approx(0.0, abs=1e-9)


@given(SAMPLES, SAMPLES)
def test_distances_are_finite_and_never_negative_and_ks_is_at_most_one(
    first: np.ndarray, second: np.ndarray
) -> None:
    for method in drift.METHODS:
        score = drift.score(method, first, second)
        assert np.isfinite(score)
        assert score >= 0
    assert drift.ks(first, second) == drift.ks(second, first) <= 1


@given(SAMPLES, st.floats(0.5, 100))
@settings(max_examples=50)
def test_wasserstein_of_a_shift_is_the_shift_in_standard_deviations(sample: np.ndarray, by: float) -> None:
    scale = max(float(np.std(sample)), 0.001)
    assert drift.wasserstein(sample, sample + by) == pytest.approx(by / scale, rel=1e-6)


def test_an_empty_sample_has_no_score() -> None:
    with pytest.raises(ValueError, match="without finite values"):
        drift.score("psi", normal(5), np.array([]))
    with pytest.raises(ValueError, match="empty histogram"):
        drift.psi_of_counts([0, 0], [1, 2])


def test_evidently_gives_the_same_scores_and_a_page(tmp_path: Path) -> None:
    reference, few = normal(500), np.repeat([0.0, 1.0, 2.0], 50)
    pairs = {
        "psi": Pair(reference, normal(1260, 0.5, 2), "psi"),
        "few": Pair(few, np.repeat([0.0, 1.0, 3.0], [80, 60, 10]), "psi"),
        "constant": Pair(np.full(200, 7.0), np.full(150, 8.0), "wasserstein"),
        "wasserstein": Pair(reference, normal(300, -0.3, 3), "wasserstein"),
        "ks": Pair(reference, normal(300, -0.3, 3), "ks"),
    }
    theirs = EvidentlyScores()
    scores = theirs(pairs)
    assert theirs.problem == ""
    assert theirs.by.startswith("evidently 0.7")
    assert scores == pytest.approx(own_scores(pairs), abs=1e-9)
    assert theirs.write_page(page := tmp_path / "page.gz")
    assert b"<html" in gzip.decompress(page.read_bytes()).lower()[:2000]


def test_where_evidently_gives_up_our_own_arithmetic_counts_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> dict[str, float]:
        raise ImportError("no evidently")

    monkeypatch.setattr(EvidentlyScores, "_scores", broken)
    pairs = {"x": Pair(normal(200), normal(200, 1.0), "psi")}
    theirs = EvidentlyScores()
    assert theirs(pairs) == own_scores(pairs)
    assert "not installed" in theirs.problem
    assert not theirs.write_page(Path("unwritten"))


def test_a_column_that_is_gone_short_or_without_reference_has_a_reason_and_no_score() -> None:
    reference = pl.DataFrame({"gone": normal(200), "short": normal(200), "empty": [None] * 200})
    reference = reference.with_columns(pl.col("empty").cast(pl.Float64))
    current = pl.DataFrame({"short": [0.5], "empty": [1.0]})
    found = compared(reference, current)
    assert {name: one.reason for name, one in found.items()} == {
        "gone": "the column is not there",
        "short": "1 values, 100 are needed",
        "empty": "the reference has no values",
    }
    assert share(list(found.values())) is None
    assert set(distributions(profile(reference, reference.columns), current)) == {"short"}


def test_a_category_is_compared_by_its_counts_and_a_changed_type_is_a_reason() -> None:
    reference = pl.DataFrame({"label": ["calm", "storm"] * 100, "kind": ["a"] * 200})
    current = pl.DataFrame({"label": ["storm"] * 150, "kind": np.zeros(150)})
    found = compared(reference, current)
    assert found["label"].drifted
    assert found["kind"].reason == "the column changed its type"


def test_infinite_values_are_left_out_of_scores_and_never_make_one_infinite() -> None:
    reference = pl.DataFrame({"x": normal(500)})
    current = pl.DataFrame({"x": [*normal(200, seed=3), float("inf"), float("-inf"), 1e300, float("nan")]})
    found = compared(reference, current)["x"]
    assert found.values == 200
    assert not found.drifted
    nothing = compared(reference, pl.DataFrame({"x": [float("inf")] * 300}))["x"]
    assert nothing.reason == "0 values, 100 are needed"


def test_a_constant_column_that_stays_is_no_drift_and_one_that_moves_is() -> None:
    reference = pl.DataFrame({"x": np.full(200, 5.0)})
    assert not compared(reference, pl.DataFrame({"x": np.full(150, 5.0)}))["x"].drifted
    assert compared(reference, pl.DataFrame({"x": np.full(150, 6.0)}))["x"].drifted


def test_an_empty_frame_and_one_row_are_reasons() -> None:
    reference = pl.DataFrame({"x": normal(200)})
    for rows in (0, 1):
        current = pl.DataFrame({"x": [0.0] * rows}, schema={"x": pl.Float64})
        assert compared(reference, current)["x"].reason == f"{rows} values, 100 are needed"
        assert compared(reference, current, rows_min=0)["x"].drifted is (rows == 1)


class Named(BaseMonitor):
    """One column of its own."""

    key_metric = "rank_ic"
    drift_columns = {"y": ("ks", 0.4)}

    def performance(self, evaluation: object) -> dict[str, float]:
        return {}


def test_methods_and_thresholds_are_those_that_the_monitor_pins() -> None:
    known = profile(pl.DataFrame({"x": normal(5), "y": normal(5)}), ["x", "y"])
    assert pins(Named(), known) == {"x": Pinned("psi", 0.2), "y": Pinned("ks", 0.4)}


def test_a_method_that_there_is_not_is_refused_by_name() -> None:
    class Wrong(Named):
        drift_method = "entropy"  # pyright: ignore[reportAssignmentType]

    known = profile(pl.DataFrame({"x": normal(5)}), ["x"])
    with pytest.raises(RunRefused, match=r"run\.drift_method_unknown"):
        pins(Wrong(), known)
