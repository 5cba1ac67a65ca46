from datetime import date

import polars as pl
import pytest
from optaic.mlops.base import Evaluation

from monitoring.monitor import Monitor


def test_a_signal_in_the_order_of_the_outcomes_has_rank_correlation_one():
    rows = {"date": [date(2020, 1, 1)] * 3, "entity": ["a", "b", "c"]}
    frame = pl.DataFrame(rows | {"signal": [-1.0, 0.0, 1.0], "outcome": [0.1, 0.2, 0.3]})
    assert Monitor().performance(Evaluation(frame))[Monitor.key_metric] == pytest.approx(1.0)
