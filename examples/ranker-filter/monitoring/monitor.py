"""Do the signals that are kept still pay?"""

from optaic.mlops.bases import EvaluatorMonitor

from training.evaluator import Evaluator


class Monitor(EvaluatorMonitor, evaluator=Evaluator, key_metric="kept_bps"):
    """The evaluator's metrics once the outcome is known."""
