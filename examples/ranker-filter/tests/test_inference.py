from datetime import date

import numpy as np
import polars as pl

from inference.predictor import Predictor


def test_the_ten_best_of_a_date_are_kept_with_their_signals():
    names = [f"e{n:02d}" for n in range(12)]
    signals = np.linspace(-1, 1, 12)
    keys = pl.DataFrame({"date": [date(2020, 1, 1)] * 12, "entity": names, "signal": signals})
    rows = Predictor().rows(keys, np.arange(12.0))
    assert rows["entity"].to_list() == names[2:]
    assert rows["signal"].to_list() == signals[2:].tolist()
