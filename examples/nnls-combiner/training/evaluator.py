"""Is the combination better than equal weights?"""

from optaic.mlops.bases import CombiningEvaluator


class Evaluator(CombiningEvaluator):
    """The signal's figures, those of equal weights, the gain over them, and the last weights."""
