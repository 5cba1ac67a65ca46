"""Inference: ten signals a date, handed on as they were."""
