from datetime import date

import polars as pl
import pytest
from optaic.mlops.base import Evaluation

from training.evaluator import Evaluator
from training.features import Features
from training.price_features import FEATURES
from training.target import Target


def test_features_are_eleven_ranks_and_noise(frames):
    rows = Features().compute(frames)
    assert rows.columns == ["entity", "date", *FEATURES, "noise"]
    assert rows["noise"].is_between(0, 1, closed="left").all()


@pytest.mark.parametrize("days", [30, 254, 300])
def test_no_feature_looks_ahead_and_noise_least_of_all(frames, days):
    last = frames["index"]["date"][days]
    cut = {role: rows.filter(pl.col("date") <= last) for role, rows in frames.items()}
    assert Features().compute(cut).equals(Features().compute(frames).filter(pl.col("date") <= last))


def test_the_target_is_the_size_of_a_move_whatever_its_sign(frames):
    rows = Target().compute(frames, 5)
    assert rows["target"].min() >= 0
    assert rows["target"].equals(rows["outcome"], check_names=False)
    assert rows["date"].n_unique() == 325


def test_a_feature_that_scores_far_above_all_others_dominates():
    day = {"date": [date(2020, 1, 1)] * 3, "entity": ["a", "b", "c"]}
    frame = pl.DataFrame(day | {"score": [1.2, 0.06, 0.0], "outcome": [0.5, 0.1, 0.0]})
    assert Evaluator().evaluate(Evaluation(frame))["dominance"] == pytest.approx(20.0)
