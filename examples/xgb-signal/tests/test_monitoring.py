from datetime import date

import polars as pl
from optaic.mlops.base import Evaluation

from monitoring.monitor import Monitor
from training.evaluator import Evaluator


def realised() -> Evaluation:
    return Evaluation(
        pl.DataFrame(
            {
                "date": [date(2021, 1, 4)] * 5,
                "entity": list("abcde"),
                "signal": [-1.0, -0.5, 0.0, 0.5, 1.0],
                "outcome": [0.01, -0.02, 0.0, 0.02, -0.01],
            }
        )
    )


def test_realised_performance_is_measured_as_in_training():
    assert Monitor().performance(realised()) == Evaluator().evaluate(realised())


def test_the_key_metric_is_measured():
    measured = Monitor().performance(realised())
    assert Monitor.key_metric in measured
