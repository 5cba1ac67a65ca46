"""Do the features that scored high still matter?"""

from typing import Any

from optaic.mlops.bases import EvaluatorMonitor

from training.evaluator import Evaluator


class Monitor(EvaluatorMonitor, evaluator=Evaluator, key_metric="half_stability"):
    """The evaluator's metrics once the outcome is known."""

    def alert_rules(self) -> list[dict[str, Any]]:
        """Scores that agree little with what came are worth a look."""
        return [{"metric": "agreement", "comparison": "lt", "threshold": 0.3, "severity": "warning"}]
