from datetime import date

import polars as pl
import pytest
from optaic.mlops.base import Evaluation

from monitoring.monitor import Monitor


def test_a_rule_in_the_order_of_the_outcomes_has_rank_correlation_one():
    keys = {"date": [date(2020, 1, 1)] * 3, "entity": ["a", "b", "c"]}
    rules = {"momentum": [-1.0, 0.0, 1.0], "reversal": [1.0, 0.0, -1.0], "low_volatility": [0.0, 1.0, -1.0]}
    measured = Monitor().performance(Evaluation(pl.DataFrame(keys | rules | {"outcome": [0.1, 0.2, 0.3]})))
    assert measured[Monitor.key_metric] == pytest.approx(1.0)
    assert measured["reversal.rank_ic"] == pytest.approx(-1.0)
