"""Realised performance of stored signals, by the metrics of the training."""

from optaic.mlops.bases import EvaluatorMonitor

from training.evaluator import Evaluator


class Monitor(EvaluatorMonitor, evaluator=Evaluator, key_metric="rank_ic"):
    """Realised rank correlation once the outcome is known."""
