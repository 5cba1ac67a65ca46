"""One row a date and feature: its score and its rank."""

from optaic.mlops.bases import RelevancePredictor


class Predictor(RelevancePredictor):
    """The feature's name is the row's entity; rank 1 is the highest score."""
