"""Realised performance of stored regimes, by the metrics of the training."""

from typing import Any

from optaic.mlops.base import BaseMonitor, Evaluation

from training.evaluator import Evaluator


class Monitor(BaseMonitor):
    """Agreement with dated recessions; they are dated late, so this looks far back."""

    key_metric = "auc"

    def performance(self, evaluation: Evaluation) -> dict[str, float]:
        """The evaluator's metrics on realised outcomes."""
        return Evaluator().evaluate(evaluation)

    def alert_rules(self) -> list[dict[str, Any]]:
        """Ranking quarters little better than chance, or naming too many of them wrongly, is worth a look."""
        return [
            {"metric": "auc", "comparison": "lt", "threshold": 0.8, "severity": "warning"},
            {"metric": "accuracy", "comparison": "lt", "threshold": 0.7, "severity": "warning"},
        ]
