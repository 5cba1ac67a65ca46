from datetime import date

import numpy as np
import polars as pl
import pytest

from inference.predictor import Predictor

KEYS = pl.DataFrame({"date": [date(2020, 1, 1)] * 5, "entity": list("abcde")})


def test_the_signal_spreads_the_ranks_of_a_date_over_minus_one_to_one():
    rows = Predictor().rows(KEYS, np.array([0.5, -3.0, 0.1, 9.0, 0.2]))
    assert rows.columns == ["date", "entity", *Predictor.columns]
    assert rows["signal"].to_list() == pytest.approx([0.5, -1.0, -0.5, 1.0, 0.0])
