"""The signal: the rank of the raw score among the entities of one date, mapped to [-1, 1]."""

from optaic.mlops.bases import RankPredictor


class Predictor(RankPredictor):
    """One signal per (date, entity); equal scores share a place."""
