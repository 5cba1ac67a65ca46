"""Inference: from state probabilities to a named regime."""
