"""The target: an entity's return over the next sessions beyond the mean of its date."""

from optaic.mlops.bases import RelativeReturn


class Target(RelativeReturn):
    """The model fits its percentile rank."""
