from datetime import date

import numpy as np
import polars as pl
import pytest

from inference.predictor import Predictor

KEYS = pl.DataFrame({"date": [date(2020, 1, 1)] * 3, "entity": ["beta_63", "noise", "volatility_63"]})


def test_the_highest_score_has_rank_one():
    rows = Predictor().rows(KEYS, np.array([0.02, 0.0, 0.06]))
    assert rows.columns == ["date", "entity", *Predictor.columns]
    assert rows["rank"].to_list() == [2, 3, 1]


@pytest.mark.parametrize("wrong", [-0.01, np.nan, np.inf])
def test_a_score_that_is_no_relevance_is_refused(wrong):
    with pytest.raises(ValueError, match="negative|finite"):
        Predictor().rows(KEYS, np.array([0.1, wrong, 0.3]))
