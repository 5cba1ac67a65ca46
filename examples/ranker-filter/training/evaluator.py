"""Did the signals that were kept pay more than those that were not?"""

from optaic.mlops.bases import FilterEvaluator


class Evaluator(FilterEvaluator):
    """kept_bps, rejected_bps, gain_bps and the figures of the signals that were kept."""
