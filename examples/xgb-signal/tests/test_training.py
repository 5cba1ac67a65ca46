from datetime import date, timedelta

import polars as pl
import pytest
from optaic.mlops.base import Evaluation

from training.evaluator import Evaluator
from training.features import FEATURES, Features
from training.target import Target
from training.trainer import Trainer


def until(frames, day):
    return {role: frame.filter(pl.col("date") <= day) for role, frame in frames.items()}


def test_features_are_ranks_and_complete_after_the_warm_up(frames):
    features = Features().compute(frames)
    warm = features.filter(pl.col("date") >= date(2010, 1, 1) + timedelta(days=Features.warm_up - 1))
    assert features.columns == ["entity", "date", *FEATURES]
    assert warm.null_count().sum_horizontal().item() == 0
    assert warm.select(pl.min_horizontal(pl.col(FEATURES).min())).item() == pytest.approx(1 / 6)
    assert warm.select(pl.max_horizontal(pl.col(FEATURES).max())).item() == 1.0


def test_features_do_not_depend_on_the_scale_of_a_price(frames):
    tripled = pl.when(pl.col("entity") == "e2").then(pl.col("close") * 3).otherwise(pl.col("close"))
    scaled = frames | {"prices": frames["prices"].with_columns(tripled.alias("close"))}
    assert Features().compute(scaled).equals(Features().compute(frames))


@pytest.mark.parametrize("sessions", [30, 100, 260, 320])
def test_features_do_not_look_ahead(frames, sessions):
    cut = date(2010, 1, 1) + timedelta(days=sessions)
    full = Features().compute(frames).filter(pl.col("date") <= cut)
    assert Features().compute(until(frames, cut)).equals(full)


def test_a_price_that_stands_still_is_neither_up_nor_down(frames):
    still = pl.when(pl.col("entity") == "e1").then(pl.lit(20.0)).otherwise(pl.col("close"))
    features = Features().compute(frames | {"prices": frames["prices"].with_columns(still.alias("close"))})
    last = features.filter(pl.col("date") == features["date"].max())
    below = last.filter(pl.col("up_share_14") < last.filter(pl.col("entity") == "e1")["up_share_14"].item())
    assert last.null_count().sum_horizontal().item() == 0
    assert 0 < below.height < 5


def test_features_do_not_depend_on_the_order_of_rows(frames):
    shuffled = {role: frame.sample(fraction=1, shuffle=True, seed=5) for role, frame in frames.items()}
    assert Features().compute(shuffled).equals(Features().compute(frames))


def test_the_target_is_the_return_ahead_beyond_the_mean_of_the_date(frames):
    prices = frames["prices"].pivot(on="entity", index="date", values="close").sort("date")
    ahead = {name: prices[name][15] / prices[name][10] - 1 for name in prices.columns[1:]}
    mean = sum(ahead.values()) / len(ahead)
    rows = Target().compute(frames, 5).filter(pl.col("date") == prices["date"][10])
    assert dict(zip(rows["entity"], rows["outcome"], strict=True)) == pytest.approx(
        {name: value - mean for name, value in ahead.items()}
    )
    assert rows.sort("outcome")["target"].to_list() == pytest.approx([n / 6 for n in range(1, 7)])


def test_the_last_sessions_have_no_target_yet(frames):
    last = frames["prices"]["date"].max()
    assert Target().compute(frames, 5)["date"].max() == last - timedelta(days=5)


def test_decisions_are_weekly_from_session_260():
    days = [date(2010, 1, 1) + timedelta(days=n) for n in range(300)]
    assert Trainer().decision_dates(days) == days[260::5]


def test_a_perfect_signal_has_the_best_metrics():
    frame = pl.DataFrame(
        {
            "date": [date(2020, 1, 1)] * 4 + [date(2020, 1, 8)] * 4,
            "entity": list("abcd") * 2,
            "signal": [-1.0, -0.3, 0.3, 1.0] * 2,
            "outcome": [-0.02, -0.01, 0.01, 0.02, -0.04, -0.01, 0.01, 0.04],
        }
    )
    metrics = Evaluator().evaluate(Evaluation(frame))
    assert metrics == pytest.approx(
        {"rank_ic": 1.0, "rank_ic_t": 0.0, "hit": 1.0, "top_bottom_bps": 600.0, "dates": 2.0}
    )


def test_without_outcomes_the_metrics_are_zero_and_finite():
    nothing = pl.DataFrame(
        schema={"date": pl.Date, "entity": pl.String, "signal": pl.Float64, "outcome": pl.Float64}
    )
    assert set(Evaluator().evaluate(Evaluation(nothing)).values()) == {0.0}
