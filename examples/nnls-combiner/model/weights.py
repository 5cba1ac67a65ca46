"""The weights: least squares of the target's rank on the signals, none negative, their sum one."""

from optaic.mlops.bases import NonNegativeWeights


class Weights(NonNegativeWeights):
    """Raw output: the weighted sum and, beside it, the mean of the signals."""
