"""Inference: a score and a rank for each feature."""
