"""Figures that contracts judge, measured on staged files by the executor, never by the run's code."""

from infrastructure.guardrail_measures.measurer import ParquetMeasurer

__all__ = ["ParquetMeasurer"]
