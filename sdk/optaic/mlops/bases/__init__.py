"""Bases by category, on which the common case of a definition is ten lines.

Each is built on `optaic.mlops.base`; a definition may mix them with classes of its own.
"""

from optaic.mlops.bases.combining import (
    CombiningEvaluator,
    CombiningPredictor,
    NonNegativeWeights,
    SignalInputs,
)
from optaic.mlops.bases.estimators import EstimatorModel
from optaic.mlops.bases.filtering import FilterEvaluator, FilterPredictor, Payoff
from optaic.mlops.bases.models import JsonModel, matrix
from optaic.mlops.bases.monitors import EvaluatorMonitor
from optaic.mlops.bases.regime import RegimeEvaluator, RegimePredictor, in_order
from optaic.mlops.bases.relevance import (
    RankCorrelationRelevance,
    RelevanceEvaluator,
    RelevanceModel,
    RelevancePredictor,
)
from optaic.mlops.bases.signal import RankedFeatures, RankPredictor, RelativeReturn, SignalEvaluator

__all__ = [
    "CombiningEvaluator",
    "CombiningPredictor",
    "EstimatorModel",
    "EvaluatorMonitor",
    "FilterEvaluator",
    "FilterPredictor",
    "JsonModel",
    "NonNegativeWeights",
    "Payoff",
    "RankCorrelationRelevance",
    "RankPredictor",
    "RankedFeatures",
    "RegimeEvaluator",
    "RegimePredictor",
    "RelativeReturn",
    "RelevanceEvaluator",
    "RelevanceModel",
    "RelevancePredictor",
    "SignalEvaluator",
    "SignalInputs",
    "in_order",
    "matrix",
]
