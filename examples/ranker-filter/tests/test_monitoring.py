from datetime import date

import polars as pl
import pytest
from optaic.mlops.base import Evaluation

from monitoring.monitor import Monitor


def test_a_signal_in_the_direction_of_the_outcome_pays():
    rows = {"date": [date(2020, 1, 1)] * 2, "entity": ["a", "b"]}
    frame = pl.DataFrame(rows | {"signal": [-1.0, 1.0], "outcome": [-0.01, 0.03]})
    measured = Monitor().performance(Evaluation(frame))
    assert measured[Monitor.key_metric] == pytest.approx(200.0)
