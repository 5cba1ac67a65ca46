import polars as pl
import pytest
from optaic.mlops.base import Evaluation
from reference_sample import frames

from training.evaluator import Evaluator
from training.features import Features
from training.price_features import FEATURES
from training.price_features import Features as PriceFeatures
from training.target import Target


def test_the_signal_is_that_of_the_decision_and_the_price_features_are_a_session_old():
    given = frames()
    rows = Features().compute(given)
    assert rows.columns == ["entity", "date", "signal", *FEATURES]
    assert rows["signal"].equals(given["signals"].sort("date", "entity")["signal"])
    prices = PriceFeatures().compute(given).filter(pl.col("entity") == "e03").sort("date")
    own = rows.filter(pl.col("entity") == "e03").sort("date").row(-1, named=True)
    before = prices.filter(pl.col("date") < own["date"]).row(-1, named=True)
    assert [own[name] for name in FEATURES] == [before[name] for name in FEATURES]


@pytest.mark.parametrize("week", [3, 55, 80])
def test_features_do_not_change_when_later_rows_are_removed(week):
    whole = frames()
    last = whole["signals"]["date"].unique().sort()[week]
    cut = {role: rows.filter(pl.col("date") <= last) for role, rows in whole.items()}
    assert Features().compute(whole).filter(pl.col("date") <= last).equals(Features().compute(cut))


def test_the_target_is_what_it_paid_to_follow_the_signal():
    given = frames()
    rows = Target().compute(given, 5).join(given["signals"], on=["date", "entity"])
    one_day = rows.filter(pl.col("date") == rows["date"].min())
    paid = (one_day["signal"].sign() * one_day["outcome"]).rank() / one_day.height
    assert one_day["target"].to_list() == pytest.approx(paid.to_list())


def test_metrics_are_of_what_was_kept_and_of_what_was_not():
    keys = {"date": [1, 1], "entity": ["a", "b"]}
    kept = pl.DataFrame(keys | {"signal": [0.5, -0.5], "outcome": [0.02, -0.02]})
    rejected = pl.DataFrame(keys | {"signal": [0.5, -0.5], "outcome": [-0.01, 0.01]})
    figures = Evaluator().evaluate(Evaluation(kept, {}, rejected))
    assert figures["kept_bps"] == pytest.approx(200)
    assert figures["rejected_bps"] == pytest.approx(-100)
    assert figures["gain_bps"] == pytest.approx(300)
