"""Metrics of a cross-sectional signal, each date weighing the same."""

from optaic.mlops.bases import SignalEvaluator


class Evaluator(SignalEvaluator):
    """rank_ic, rank_ic_t, hit, top_bottom_bps and dates."""
