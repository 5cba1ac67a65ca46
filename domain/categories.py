"""The five categories of model and the output contract that each must honour."""

from enum import StrEnum


class Category(StrEnum):
    """A definition's category; the token is what packages and the API say."""

    SIGNAL = "signal"
    MACRO_REGIME = "macro_regime"
    RELEVANCE = "relevance"
    SIGNAL_COMBINING = "signal_combining"
    SIGNAL_FILTERING = "signal_filtering"


COMPONENTS = ("model", "training", "inference", "monitoring", "tests")
"""The five components of a definition; `docs` stands beside them and is demanded too."""
