"""Realised performance of the rules, by the metrics of the training."""

from optaic.mlops.bases import EvaluatorMonitor

from training.evaluator import Evaluator


class Monitor(EvaluatorMonitor, evaluator=Evaluator, key_metric="rank_ic"):
    """The evaluator's metrics once the outcome is known."""

    window = 26  # half a year of weekly decisions
    evidently = False  # three ranks need no page of their own, and each run is seconds shorter
