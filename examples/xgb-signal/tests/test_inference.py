from datetime import date

import numpy as np
import polars as pl
import pytest

from inference.predictor import Predictor


def keys(*counts: int) -> pl.DataFrame:
    rows = [(date(2020, 1, 1 + n), f"e{entity}") for n, count in enumerate(counts) for entity in range(count)]
    return pl.DataFrame(rows, schema={"date": pl.Date, "entity": pl.String}, orient="row")


def test_the_signal_spreads_the_ranks_of_a_date_over_minus_one_to_one():
    rows = Predictor().rows(keys(5), np.array([0.5, -3.0, 0.1, 9.0, 0.2]))
    assert rows.columns == ["date", "entity", *Predictor.columns]
    assert rows["signal"].to_list() == pytest.approx([0.5, -1.0, -0.5, 1.0, 0.0])


def test_dates_are_ranked_apart():
    rows = Predictor().rows(keys(3, 2), np.array([1.0, 2.0, 3.0, 200.0, 100.0]))
    assert rows["signal"].to_list() == pytest.approx([-1.0, 0.0, 1.0, 1.0, -1.0])


def test_equal_scores_share_a_place_and_a_lone_entity_is_neutral():
    assert Predictor().rows(keys(3), np.zeros(3))["signal"].to_list() == [0.0, 0.0, 0.0]
    assert Predictor().rows(keys(1), np.array([7.0]))["signal"].to_list() == [0.0]


def test_one_date_at_a_time_gives_what_many_give():
    raw = np.random.default_rng(2).normal(size=12)
    many = Predictor().rows(keys(6, 6), raw)
    alone = [Predictor().rows(keys(6, 6)[at : at + 6], raw[at : at + 6]) for at in (0, 6)]
    assert pl.concat(alone).equals(many)
