"""Inference: from raw scores to the signal."""
