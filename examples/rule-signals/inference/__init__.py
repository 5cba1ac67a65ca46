"""Inference: three ranks, each mapped to [-1, 1]."""
