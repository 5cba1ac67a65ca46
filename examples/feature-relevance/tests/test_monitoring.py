from datetime import date

import polars as pl
import pytest
from optaic.mlops.base import Evaluation

from monitoring.monitor import Monitor


def test_scores_in_the_order_of_what_came_are_stable_and_agree():
    days = [date(2020, 1, 1)] * 3 + [date(2020, 1, 8)] * 3
    rows = {"date": days, "entity": ["a", "b", "c"] * 2, "score": [0.1, 0.2, 0.3, 0.1, 0.2, 0.3]}
    frame = pl.DataFrame(rows | {"outcome": [0.0, 0.1, -0.2] * 2})
    measured = Monitor().performance(Evaluation(frame))
    assert measured[Monitor.key_metric] == pytest.approx(1.0)
    assert measured["agreement"] == pytest.approx(1.0)
