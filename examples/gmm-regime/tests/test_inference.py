from datetime import date

import numpy as np
import polars as pl

from inference.predictor import Predictor


def test_a_row_names_the_likelier_regime():
    keys = pl.DataFrame({"date": [date(2000, 3, 31), date(2000, 6, 30)], "entity": ["", ""]})
    rows = Predictor().rows(keys, np.array([[0.9, 0.1], [0.3, 0.7]]))
    assert rows.columns == ["date", "entity", *Predictor.columns]
    assert rows["regime"].to_list() == ["expansion", "recession"]
    assert (rows["p_expansion"] + rows["p_recession"]).to_list() == [1.0, 1.0]
