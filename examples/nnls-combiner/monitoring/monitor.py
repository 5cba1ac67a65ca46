"""Realised performance of the combination, by the metrics of the training."""

from typing import Any

from optaic.mlops.bases import EvaluatorMonitor

from training.evaluator import Evaluator


class Monitor(EvaluatorMonitor, evaluator=Evaluator, key_metric="rank_ic"):
    """The evaluator's metrics once the outcome is known; no weights, they do not change."""

    def alert_rules(self) -> list[dict[str, Any]]:
        """A combination that is worth less than equal weights is worth a look."""
        return [{"metric": "gain", "comparison": "lt", "threshold": -0.02, "severity": "warning"}]
