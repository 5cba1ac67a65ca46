"""The filter: the ten best of each date, as they were."""

from optaic.mlops.bases import FilterPredictor


class Predictor(FilterPredictor, keep=10):
    """Keeps the ten highest scores; their `signal` comes out unchanged."""
