import polars as pl
import pytest
from optaic.mlops.base import Evaluation
from reference_sample import RULES, frames

from training.evaluator import Evaluator
from training.features import Features
from training.target import Target


def test_features_are_the_four_signals_as_they_are():
    given = frames()
    rows = Features().compute(given)
    assert rows.columns == ["entity", "date", "learned", *RULES]
    assert rows["learned"].equals(given["learned"].sort("date", "entity")["signal"], check_names=False)
    assert rows["reversal"].equals(given["rules"].sort("date", "entity")["reversal"])


def test_a_signal_that_is_not_there_is_missing_and_not_an_older_one():
    given = frames()
    last = given["rules"]["date"].max()
    shorter = given | {"rules": given["rules"].filter(pl.col("date") < last)}
    rows = Features().compute(shorter).filter(pl.col("date") == last)
    assert rows["momentum"].null_count() == rows.height
    assert rows["learned"].null_count() == 0


def test_features_do_not_change_when_later_rows_are_removed():
    whole = frames()
    last = whole["learned"]["date"].unique().sort()[40]
    cut = {role: rows.filter(pl.col("date") <= last) for role, rows in whole.items()}
    assert Features().compute(whole).filter(pl.col("date") <= last).equals(Features().compute(cut))


def test_the_target_leaves_out_the_sessions_whose_outcome_is_not_known():
    assert Target().compute(frames(), 5)["date"].n_unique() == 395


def test_the_gain_over_equal_weights_is_a_figure_of_its_own():
    given = frames()
    rows = given["learned"].with_columns(equal_weights=-pl.col("signal"), outcome=pl.col("signal") / 100)
    figures = Evaluator().evaluate(Evaluation(rows, {"weight.learned": 0.75}))
    assert figures["rank_ic"] == pytest.approx(1.0)
    assert figures["gain"] == pytest.approx(2.0)
    assert figures["weight.learned"] == 0.75
