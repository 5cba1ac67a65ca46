"""Scenario 3 on the real data: what says how far a price moves, as known at the end of 2014."""

from types import SimpleNamespace

import polars as pl
import pytest

from tests.examples.chained import (
    CLOSE_2014,
    END,
    labelled,
    later_correlations,
    rank_correlation,
    scored,
)
from tests.examples.walk_forward import Frames

ORDER = {"volatility_63": 0.062, "volatility_21": 0.062, "drawdown_252": 0.028, "momentum_252": 0.026}


@pytest.fixture(scope="module")
def rows(relevance: SimpleNamespace, market: Frames) -> pl.DataFrame:
    return labelled(relevance, market, CLOSE_2014)


@pytest.fixture(scope="module")
def scores(relevance: SimpleNamespace, rows: pl.DataFrame) -> dict[str, float]:
    return scored(relevance, rows)


def test_the_features_score_what_the_scenario_measured(scores: dict[str, float]):
    assert sorted(scores, key=scores.__getitem__, reverse=True)[:4] == list(ORDER)
    assert {name: scores[name] for name in ORDER} == {
        name: pytest.approx(measured, abs=0.01) for name, measured in ORDER.items()
    }
    assert scores["up_share_14"] == pytest.approx(0.006, abs=0.01)


def test_noise_ranks_last_and_scores_nothing(scores: dict[str, float]):
    assert min(scores, key=scores.__getitem__) == "noise"
    assert scores["noise"] == pytest.approx(0, abs=0.001)


def test_both_measures_and_the_years_after_tell_the_same_story(
    relevance: SimpleNamespace, market: Frames, rows: pl.DataFrame, scores: dict[str, float]
):
    """Over the eleven features; noise would only add a tie."""
    shap = real(scored(relevance, rows, measure="shap"))
    later = real(later_correlations(labelled(relevance, market, END), list(scores)))
    assert rank_correlation(real(scores), shap) == pytest.approx(0.89, abs=0.02)
    assert rank_correlation(real(scores), later) == pytest.approx(0.72, abs=0.02)
    assert rank_correlation(shap, later) == pytest.approx(0.83, abs=0.02)


def test_the_scores_of_two_halves_agree(relevance: SimpleNamespace, rows: pl.DataFrame):
    days = rows["date"].unique().sort()
    middle = days[days.len() // 2]
    halves = [rows.filter(pl.col("date") < middle), rows.filter(pl.col("date") >= middle)]
    first, second = (real(scored(relevance, half)) for half in halves)
    assert rank_correlation(first, second) == pytest.approx(0.84, abs=0.02)


def test_a_copy_of_the_target_dominates_every_feature(relevance: SimpleNamespace, rows: pl.DataFrame):
    """Even its rank within the date, which is all that the other features hold, scores ten times the next."""
    rank = (pl.col("target").rank() / pl.len()).over("date")
    leaking = scored(relevance, rows.with_columns(rank.alias("copy")))
    copied = leaking.pop("copy")
    assert copied > 10 * max(leaking.values())


def real(scores: dict[str, float]) -> dict[str, float]:
    return {name: score for name, score in scores.items() if name != "noise"}
