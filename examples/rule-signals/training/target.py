"""What the rules are judged by: an entity's return beyond the mean of its date."""

from optaic.mlops.bases import RelativeReturn


class Target(RelativeReturn):
    """Closes of the role `prices` over the instance's horizon."""
