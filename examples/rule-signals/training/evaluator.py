"""Metrics of each rule: `<rule>.<figure>`, and those of the first rule without a prefix."""

from optaic.mlops.base import BaseEvaluator, Evaluation
from optaic.mlops.measures.performance import signal

from training.features import RULES


class Evaluator(BaseEvaluator):
    """Rank correlation, its t, hits and best minus worst fifth."""

    def evaluate(self, evaluation: Evaluation) -> dict[str, float]:
        """rank_ic, rank_ic_t, hit, top_bottom_bps and dates."""
        figures = dict(signal(evaluation.frame, RULES[0]))
        for rule in RULES:
            measured = signal(evaluation.frame, rule)
            figures |= {f"{rule}.{name}": value for name, value in measured.items() if name != "dates"}
        return figures
