from datetime import date

import numpy as np
import polars as pl

from inference.predictor import Predictor


def test_each_rule_spreads_its_ranks_over_minus_one_to_one():
    keys = pl.DataFrame({"date": [date(2020, 1, 1)] * 3, "entity": ["a", "b", "c"]})
    rows = Predictor().rows(keys, np.array([[0.1, 3.0, 5.0], [0.2, 2.0, 5.0], [0.3, 1.0, 5.0]]))
    assert rows.columns == ["date", "entity", *Predictor.columns]
    assert rows["momentum"].to_list() == [-1.0, 0.0, 1.0]
    assert rows["reversal"].to_list() == [1.0, 0.0, -1.0]
    assert rows["low_volatility"].to_list() == [0.0, 0.0, 0.0]
