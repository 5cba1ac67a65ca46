"""The target: an entity's return beyond the mean of its date, from a dataset that only the training reads."""

from optaic.mlops.bases import RelativeReturn


class Target(RelativeReturn):
    """Closes of the role `prices`; the weights are fitted to the rank of the return within its date."""
