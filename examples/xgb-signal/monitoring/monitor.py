"""Realised performance of stored signals, by the metrics of the training."""

from typing import Any

from optaic.mlops.base import BaseMonitor, Evaluation

from training.evaluator import Evaluator


class Monitor(BaseMonitor):
    """Realised rank correlation once the outcome is known."""

    key_metric = "rank_ic"

    def performance(self, evaluation: Evaluation) -> dict[str, float]:
        """The evaluator's metrics on realised outcomes."""
        return Evaluator().evaluate(evaluation)

    def alert_rules(self) -> list[dict[str, Any]]:
        """A negative correlation is a warning; one too good to be true is an error: something leaks."""
        return [
            {"metric": "rank_ic", "comparison": "lt", "threshold": 0.0, "severity": "warning"},
            {"metric": "rank_ic", "comparison": "gt", "threshold": 0.3, "severity": "error"},
        ]
