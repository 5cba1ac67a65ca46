"""Evaluation of a definition package in processes of their own; the parent computes the verdict."""

from infrastructure.evaluation.evaluator import EvaluationResult, evaluate

__all__ = ["EvaluationResult", "evaluate"]
