"""Are the scores the same story over time, and does no feature know too much?"""

from optaic.mlops.base import Evaluation
from optaic.mlops.bases import RelevanceEvaluator


class Evaluator(RelevanceEvaluator):
    """rank_stability, half_stability, agreement, rank_ic, dates, and dominance: the highest mean score as a
    multiple of the next. Far above the others a feature is a copy of the target.
    """

    def evaluate(self, evaluation: Evaluation) -> dict[str, float]:
        """Left out: figures that need more dates or features."""
        scores = evaluation.frame.group_by("entity").mean()["score"].drop_nulls().sort(descending=True)
        figures = super().evaluate(evaluation)
        if scores.len() > 1 and scores[1] > 0:
            figures["dominance"] = float(scores[0] / scores[1])
        return figures
