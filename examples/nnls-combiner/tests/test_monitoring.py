from datetime import date

import polars as pl
import pytest
from optaic.mlops.base import Evaluation

from monitoring.monitor import Monitor


def test_a_combination_in_the_order_of_the_outcomes_gains_over_equal_weights_against_it():
    keys = {"date": [date(2020, 1, 1)] * 3, "entity": ["a", "b", "c"], "outcome": [0.1, 0.2, 0.3]}
    frame = pl.DataFrame(keys | {"signal": [-1.0, 0.0, 1.0], "equal_weights": [1.0, 0.0, -1.0]})
    measured = Monitor().performance(Evaluation(frame))
    assert measured[Monitor.key_metric] == pytest.approx(1.0)
