"""Do the features that scored high still matter?"""

from optaic.mlops.bases import EvaluatorMonitor

from training.evaluator import Evaluator


class Monitor(EvaluatorMonitor, evaluator=Evaluator, key_metric="half_stability"):
    """The evaluator's metrics once the outcome is known."""
