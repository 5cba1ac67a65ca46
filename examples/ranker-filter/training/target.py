"""The target: what it paid to follow each signal."""

from optaic.mlops.bases import Payoff


class Target(Payoff):
    """Sign of the signal times the relative return of `prices`; the model fits its fifth within the date."""
