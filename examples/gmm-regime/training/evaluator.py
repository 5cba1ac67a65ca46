"""Metrics of the probability of a recession against the recessions that were."""

import polars as pl
from optaic.mlops.base import BaseEvaluator, Evaluation


class Evaluator(BaseEvaluator):
    """Area under the ROC curve, accuracy at one half, and how well the mixture fits its own training rows."""

    def evaluate(self, evaluation: Evaluation) -> dict[str, float]:
        """auc (with both outcomes present), accuracy, quarters, train_log_likelihood (per row, where measured)."""
        rows = evaluation.frame.drop_nulls(["p_recession", "outcome"])
        metrics = {"quarters": float(rows.height)}
        if rows.height:
            right = (pl.col("p_recession") > 0.5) == (pl.col("outcome") > 0.5)
            metrics["accuracy"] = float(rows.select(right.mean()).item())
        if rows["outcome"].n_unique() == 2:
            metrics["auc"] = _auc(rows["p_recession"], rows["outcome"] > 0.5)
        if "log_likelihood_per_row" in evaluation.train_facts:
            metrics["train_log_likelihood"] = evaluation.train_facts["log_likelihood_per_row"]
        return metrics


def _auc(score: pl.Series, positive: pl.Series) -> float:
    """Mann and Whitney: the chance that a positive row scores above a negative one, ties counting half."""
    positives = int(positive.sum())
    negatives = positive.len() - positives
    ranks = float(score.rank("average").filter(positive).sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)
