"""Realised performance of stored regimes, by the metrics of the training."""

from optaic.mlops.base import BaseMonitor, Evaluation

from training.evaluator import Evaluator


class Monitor(BaseMonitor):
    """Agreement with dated recessions; they are dated late, so this looks far back."""

    key_metric = "auc"

    def performance(self, evaluation: Evaluation) -> dict[str, float]:
        """The evaluator's metrics on realised outcomes."""
        return Evaluator().evaluate(evaluation)
