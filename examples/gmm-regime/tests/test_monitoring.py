from datetime import date

import polars as pl
from optaic.mlops.base import Evaluation

from monitoring.monitor import Monitor


def test_the_key_metric_is_measured():
    frame = pl.DataFrame(
        {
            "date": [date(2000, 3, 31), date(2000, 6, 30)],
            "entity": ["", ""],
            "p_recession": [0.2, 0.8],
            "outcome": [0.0, 1.0],
        }
    )
    measured = Monitor().performance(Evaluation(frame))
    assert measured[Monitor.key_metric] == 1.0
