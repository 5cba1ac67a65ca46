from datetime import date

import numpy as np
import polars as pl
import pytest

from inference.predictor import Predictor

KEYS = pl.DataFrame({"date": [date(2020, 1, 1)] * 2, "entity": ["a", "b"]})


def test_the_combination_comes_out_as_it_is_beside_equal_weights():
    rows = Predictor().rows(KEYS, np.array([[0.5, 0.25], [-1.0, -0.5]]))
    assert rows.columns == ["date", "entity", *Predictor.columns]
    assert rows["signal"].to_list() == [0.5, -1.0]
    assert rows["equal_weights"].to_list() == [0.25, -0.5]


def test_a_value_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="1 of 2 rows"):
        Predictor().rows(KEYS, np.array([[0.5, np.nan], [-1.0, -0.5]]))


def test_the_last_bit_of_a_float_is_no_breach_of_the_bounds():
    rows = Predictor().rows(KEYS, np.array([[1.0000000000000002, 1.0], [-1.0000000000000002, 0.0]]))
    assert rows["signal"].to_list() == [1.0, -1.0]
