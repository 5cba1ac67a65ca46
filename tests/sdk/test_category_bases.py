"""The bases by category: what comes out fits the category's contract, whatever a model says."""

import math
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from optaic.mlops import bases
from optaic.mlops.base import Evaluation, Params
from optaic.mlops.bases.combining import simplex_weights

DAYS = (date(2024, 1, 1), date(2024, 1, 8))
ENTITIES = ("a", "b", "c", "d")
SCORES = st.floats(-1e6, 1e6)


def keys(days: int = 2, entities: int = 4) -> pl.DataFrame:
    rows = [(day, entity) for day in DAYS[:days] for entity in ENTITIES[:entities]]
    return pl.DataFrame(rows, schema=["date", "entity"], orient="row")


def prices(days: int = 12) -> pl.DataFrame:
    random = np.random.default_rng(1)
    close = 50 * np.exp(random.normal(0, 0.02, (days, 3)).cumsum(axis=0))
    return pl.DataFrame(
        {
            "entity": ["a", "b", "c"] * days,
            "date": [date(2024, 1, 1 + day) for day in range(days) for _ in range(3)],
            "close": close.ravel(),
        }
    )


class Momentum(bases.RankedFeatures):
    def raw(self, frames):
        rows = frames["prices"].sort("entity", "date")
        return rows.select("entity", "date", m=pl.col("close").pct_change(3).over("entity"))


class Regime(bases.RegimePredictor, labels=("up", "flat", "down")):
    pass


class BestTwo(bases.FilterPredictor, keep=2):
    pass


@given(st.lists(SCORES, min_size=8, max_size=8))
def test_a_signal_is_bounded_and_in_the_order_of_the_scores(raw: list[float]) -> None:
    rows = bases.RankPredictor().rows(keys(), np.array(raw)).with_columns(pl.Series("raw", raw))
    assert rows["signal"].is_between(-1, 1).all()
    for _, day in rows.group_by("date"):
        ordered = day.sort("raw")
        assert ordered["signal"].is_sorted()
        assert math.isclose(float(day["signal"].sum()), 0, abs_tol=1e-12)


def test_the_extremes_of_a_date_are_minus_one_and_one_and_a_lone_entity_is_neutral() -> None:
    assert bases.RankPredictor().rows(keys(1), np.array([3.0, 1.0, 2.0, 9.0]))["signal"].to_list() == (
        pytest.approx([1 / 3, -1, -1 / 3, 1])
    )
    assert bases.RankPredictor().rows(keys(1, 1), np.array([7.0]))["signal"].to_list() == [0.0]


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize("predictor", [bases.RankPredictor, bases.RelevancePredictor, BestTwo])
def test_a_score_that_is_not_finite_is_refused(predictor: type, wrong: float) -> None:
    with pytest.raises(ValueError, match="1 of 4 scores are not finite"):
        predictor().rows(keys(1).with_columns(signal=pl.lit(0.5)), np.array([1.0, wrong, 2.0, 3.0]))


def test_a_price_level_changes_neither_features_nor_targets() -> None:
    split = prices().with_columns(
        close=pl.when(pl.col("entity") == "b").then(3 * pl.col("close")).otherwise(pl.col("close"))
    )
    for part in (Momentum().compute, lambda frames: bases.RelativeReturn().compute(frames, 2)):
        plain, scaled = part({"prices": prices()}), part({"prices": split})
        difference = plain.select(pl.exclude("entity", "date")) - scaled.select(pl.exclude("entity", "date"))
        largest = difference.select(pl.max_horizontal(pl.all().abs().max())).item()
        assert largest < 1e-12


def test_the_outcome_is_the_return_beyond_the_dates_mean() -> None:
    rows = bases.RelativeReturn().compute({"prices": prices()}, 2)
    assert rows["date"].n_unique() == 10
    assert rows.select((pl.col("outcome").mean().over("date").abs() < 1e-15).all()).item()
    assert rows.group_by("date").agg(pl.col("target").max())["target"].to_list() == [1.0] * 10


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=4, max_size=4))
def test_regimes_sum_to_one_and_name_the_likeliest(raw: list[list[float]]) -> None:
    shares = np.array(raw) / np.array(raw).sum(axis=1, keepdims=True)
    rows = Regime().rows(keys(1), shares)
    given_shares = rows.select("p_up", "p_flat", "p_down").to_numpy()
    assert np.abs(given_shares.sum(axis=1) - 1).max() < 1e-12
    assert [Regime.labels[n] for n in given_shares.argmax(axis=1)] == rows["regime"].to_list()


@pytest.mark.parametrize("wrong", [[0.5, 0.5, 0.05], [1.2, -0.2, 0.0], [math.nan, 0.5, 0.5]])
def test_what_is_no_probability_is_refused_and_not_scaled(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="1 of 1 rows are no probabilities"):
        Regime().rows(keys(1, 1), np.array([wrong]))


def test_states_are_ordered_by_their_mean_whatever_the_fit_called_them() -> None:
    assert bases.in_order(np.array([-1.0, 3.0, 0.5])) == [1, 2, 0]


def test_a_regime_is_judged_by_what_came() -> None:
    frame = keys(1).with_columns(
        p_up=pl.Series([0.9, 0.2, 0.6, 0.4]),
        p_down=pl.Series([0.1, 0.8, 0.4, 0.6]),
        outcome=pl.Series([0.0, 1.0, 0.0, 1.0]),
    )
    figures = bases.RegimeEvaluator().evaluate(Evaluation(frame, {"likelihood": -2.0}))
    assert figures["auc"] == 1.0
    assert figures["accuracy"] == 1.0
    assert figures["log_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.6, 0.6]).mean())
    assert figures["train.likelihood"] == -2.0


@given(st.lists(st.floats(0, 1e6), min_size=8, max_size=8))
def test_relevance_ranks_each_date_from_one_without_gaps(raw: list[float]) -> None:
    rows = bases.RelevancePredictor().rows(keys(), np.array(raw))
    for _, day in rows.group_by("date"):
        assert sorted(day["rank"].to_list()) == [1, 2, 3, 4]
        assert day.sort("rank")["score"].is_sorted(descending=True)


def test_a_negative_relevance_is_refused() -> None:
    with pytest.raises(ValueError, match="1 of 4 scores are negative"):
        bases.RelevancePredictor().rows(keys(1), np.array([1.0, -0.01, 2.0, 3.0]))


def test_scores_that_turn_around_between_the_halves_are_not_stable() -> None:
    score = [1.0, 2, 3, 4, 4, 3, 2, 1]
    frame = keys().with_columns(score=pl.Series(score), outcome=pl.Series([0.1, 0.2, 0.3, 0.4] * 2))
    assert bases.RelevanceEvaluator().evaluate(Evaluation(frame))["half_stability"] == pytest.approx(-1)


def test_a_constant_or_missing_feature_has_no_relevance() -> None:
    features = pl.DataFrame(
        {"x": [1.0, 2, 3], "flat": [1.0] * 3, "gone": pl.Series([None] * 3, dtype=pl.Float64)}
    )
    model = bases.RankCorrelationRelevance(Params())
    model.fit(features, pl.Series([3.0, 2, 1]), pl.Series([1, 2, 3]))
    assert model.predict(features)[2].tolist() == [1.0, 0.0, 0.0]


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_weights_are_those_of_non_negative_least_squares(seed: int, signals: int) -> None:
    random = np.random.default_rng(seed)
    rows, target = random.normal(size=(60, signals)), random.normal(size=60)
    weights, reference = simplex_weights(rows, target), nnls(rows, target)[0]
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    expected = reference / reference.sum() if reference.sum() > 0 else np.full(signals, 1 / signals)
    assert weights == pytest.approx(expected, abs=1e-6)


def test_a_combination_is_compared_with_equal_weights() -> None:
    frame = keys().with_columns(
        signal=pl.Series([-1.0, -1 / 3, 1 / 3, 1.0] * 2),
        equal_weights=pl.Series([1.0, 1 / 3, -1 / 3, -1.0] * 2),
        outcome=pl.Series([-0.2, -0.1, 0.1, 0.2] * 2),
    )
    figures = bases.CombiningEvaluator().evaluate(Evaluation(frame, {"weight.a": 0.4}))
    assert figures["rank_ic"] == pytest.approx(1)
    assert figures["equal_weights.rank_ic"] == pytest.approx(-1)
    assert figures["gain"] == pytest.approx(2)
    assert figures["weight.a"] == 0.4


def test_signals_of_other_entities_leave_gaps_and_no_rows_are_lost() -> None:
    class Two(bases.SignalInputs):
        roles = ("one", "two")

    whole = keys(1).with_columns(signal=pl.Series([0.1, 0.2, 0.3, 0.4]))
    rows = Two().compute({"one": whole, "two": whole.head(2)})
    assert rows["one"].to_list() == [0.1, 0.2, 0.3, 0.4]
    assert rows["two"].to_list() == [0.1, 0.2, None, None]


@given(st.lists(SCORES, min_size=8, max_size=8), st.lists(st.floats(-1, 1), min_size=8, max_size=8))
def test_a_filter_keeps_the_best_of_each_date_unchanged(raw: list[float], signal: list[float]) -> None:
    offered = keys().with_columns(pl.Series("signal", signal), pl.Series("raw", raw))
    kept = BestTwo().rows(offered, np.array(raw))
    assert kept.group_by("date").len()["len"].to_list() == [2, 2]
    assert kept.join(offered, on=["date", "entity", "signal"], how="anti").is_empty()
    scored = kept.join(offered, on=["date", "entity"])
    left = offered.join(kept, on=["date", "entity"], how="anti")
    for day in DAYS:
        best, rest = (part.filter(pl.col("date") == day)["raw"] for part in (scored, left))
        assert min(best) >= max(rest)


def test_a_filter_is_judged_by_what_it_kept_and_what_it_rejected() -> None:
    rows = keys(1).with_columns(
        signal=pl.Series([1.0, -1, 1, -1]), outcome=pl.Series([0.02, -0.01, -0.01, 0.03])
    )
    figures = bases.FilterEvaluator().evaluate(Evaluation(rows.head(2), rejected=rows.tail(2)))
    assert figures["kept_bps"] == pytest.approx(150)
    assert figures["rejected_bps"] == pytest.approx(-200)
    assert figures["gain_bps"] == pytest.approx(350)


def test_a_payoff_follows_the_signals_direction() -> None:
    signals = prices().select("entity", "date", signal=pl.lit(-0.5))
    rows = bases.Payoff().compute({"prices": prices(), "signals": signals}, 2)
    best = rows.filter(pl.col("target") == 1.0).sort("date")
    lowest = rows.group_by("date").agg(pl.col("outcome").min()).sort("date")
    assert best["outcome"].to_list() == lowest["outcome"].to_list()


def test_a_model_of_numbers_comes_back_exactly_and_writes_equal_bytes(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    features = pl.DataFrame(random.normal(size=(50, 2)), schema=["a", "b"])
    files = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        model = bases.NonNegativeWeights(Params())
        model.fit(features, features["a"], pl.Series([0] * 50))
        model.save(tmp_path / name)
        files.append((tmp_path / name / "state.json").read_bytes())
    assert files[0] == files[1]
    loaded = bases.NonNegativeWeights.load(tmp_path / "first", Params())
    assert np.array_equal(loaded.predict(features), model.predict(features))


def test_a_model_that_was_not_fitted_says_so() -> None:
    with pytest.raises(RuntimeError, match="not been fitted"):
        bases.NonNegativeWeights(Params()).predict(pl.DataFrame({"a": [1.0]}))
