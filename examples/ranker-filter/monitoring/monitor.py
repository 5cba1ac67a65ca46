"""Do the signals that are kept still pay?"""

from typing import Any

from optaic.mlops.bases import EvaluatorMonitor

from training.evaluator import Evaluator


class Monitor(EvaluatorMonitor, evaluator=Evaluator, key_metric="kept_bps"):
    """The evaluator's metrics once the outcome is known."""

    def alert_rules(self) -> list[dict[str, Any]]:
        """Signals that were kept and cost money are worth a look."""
        return [{"metric": "kept_bps", "comparison": "lt", "threshold": 0.0, "severity": "warning"}]
