"""Realised performance of the combination, by the metrics of the training."""

from optaic.mlops.bases import EvaluatorMonitor

from training.evaluator import Evaluator


class Monitor(EvaluatorMonitor, evaluator=Evaluator, key_metric="rank_ic"):
    """The evaluator's metrics once the outcome is known; no weights, they do not change."""
