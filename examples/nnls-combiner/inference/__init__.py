"""Inference: the combination, and equal weights beside it."""
