"""Runs and evaluations in processes of their own, on this machine."""

from infrastructure.execution.local import LocalExecutor
from infrastructure.execution.supervision import Surroundings
from infrastructure.execution.work import InputSource, RunWork, WorkSource

__all__ = ["InputSource", "LocalExecutor", "RunWork", "Surroundings", "WorkSource"]
