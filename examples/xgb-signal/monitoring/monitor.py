"""Realised performance of stored signals, by the metrics of the training."""

from optaic.mlops.base import BaseMonitor, Evaluation

from training.evaluator import Evaluator


class Monitor(BaseMonitor):
    """Realised rank correlation once the outcome is known."""

    key_metric = "rank_ic"

    def performance(self, evaluation: Evaluation) -> dict[str, float]:
        """The evaluator's metrics on realised outcomes."""
        return Evaluator().evaluate(evaluation)
