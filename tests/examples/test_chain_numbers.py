"""Scenarios 4 and 5 on the real data: combined out of sample, filtered out of sample."""

import polars as pl
import pytest

from optaic.mlops.measures.performance import signal
from tests.examples.chained import RULES
from tests.examples.walk_forward import Frames, Judged


def near(measured: float) -> object:
    """The range that a figure like a rank correlation must stay in."""
    return pytest.approx(measured, rel=0.25, abs=0.01)


def test_the_combination_has_the_counts_of_the_scenario(whole_blend: Judged):
    assert len(whole_blend.blocks) == 14
    assert whole_blend.metrics["dates"] == 703
    assert whole_blend.predictions.height == 14_080
    assert set(whole_blend.predictions.group_by("date").len()["len"]) == {20}


def test_the_inputs_are_worth_what_the_scenario_measured(
    whole_blend: Judged, whole_signal: Judged, whole_rules: Judged
):
    outcomes = whole_blend.rows.select("date", "entity", "outcome")
    judged = whole_blend.predictions.select("date", "entity").join(outcomes, on=["date", "entity"])
    inputs = judged.join(whole_signal.predictions, on=["date", "entity"]).join(
        whole_rules.predictions, on=["date", "entity"]
    )
    measured = {name: signal(inputs, name)["rank_ic"] for name in ("signal", *RULES)}
    expected = {"signal": 0.0196, "momentum": 0.0191, "reversal": 0.0142, "low_volatility": -0.0079}
    assert measured == {name: near(value) for name, value in expected.items()}


def test_the_combination_does_not_beat_equal_weights_as_the_scenario_measured(whole_blend: Judged):
    assert whole_blend.metrics["rank_ic"] == near(0.0187)
    assert whole_blend.metrics["rank_ic_t"] == near(1.57)
    assert whole_blend.metrics["equal_weights.rank_ic"] == near(0.0195)
    assert whole_blend.metrics["gain"] < 0


def test_the_weights_of_2022_are_those_of_the_scenario(whole_blend: Judged):
    weights = [whole_blend.metrics[f"weight.{name}"] for name in ("learned", *RULES)]
    assert sum(weights) == pytest.approx(1)
    assert weights == [pytest.approx(one, abs=0.1) for one in (0.32, 0.68, 0.0, 0.0)]


def test_the_combination_never_leaves_its_bounds(whole_blend: Judged):
    assert whole_blend.predictions.select((pl.col("signal").abs() <= 1 + 1e-12).all()).item()


def test_the_filter_has_the_counts_of_the_scenario(whole_picks: Judged):
    assert len(whole_picks.blocks) == 9
    assert whole_picks.predictions["date"].n_unique() == 453
    assert whole_picks.predictions.height == 4_530


def test_what_the_filter_kept_paid_more_than_what_it_left_out(whole_picks: Judged):
    """The gain is not significant (|t| < 2): no more than its sign is asserted."""
    assert whole_picks.metrics["kept_bps"] > whole_picks.metrics["rejected_bps"]


def test_the_filter_hands_on_its_input_as_it_is(whole_picks: Judged, whole_blend: Judged):
    joined = whole_picks.predictions.join(whole_blend.predictions, on=["date", "entity"], suffix="_given")
    assert joined.height == whole_picks.predictions.height
    assert joined["signal"].equals(joined["signal_given"], check_names=False)


def test_no_decision_of_the_chain_was_made_by_a_model_that_had_seen_it(
    whole_signal: Judged, whole_blend: Judged, whole_picks: Judged
):
    for judged in (whole_signal, whole_blend, whole_picks):
        closed = {block.first: block.trained_as_of.date() for block in judged.blocks}
        assert all(seen < first for first, seen in closed.items())


def test_the_filters_price_features_are_a_session_old(market: Frames, whole_picks: Judged):
    """Rows of the filter hold the same features that `xgb-signal` reads at lag 1."""
    from tests.examples.definitions import load_definition

    features = load_definition("xgb-signal").features().compute(market).sort("entity", "date")
    names = [name for name in features.columns if name not in ("entity", "date")]
    lagged = features.with_columns(pl.col(names).shift(1).over("entity"))
    joined = whole_picks.rows.select("date", "entity", *names).join(
        lagged, on=["date", "entity"], suffix="_then"
    )
    assert all(joined[name].equals(joined[f"{name}_then"], check_names=False) for name in names)
