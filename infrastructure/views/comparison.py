"""Runs side by side."""

from collections.abc import Sequence
from typing import Any

from application.views import ComparisonView, MetricRowView, ParameterRowView, RunView


def compared(runs: Sequence[RunView], position: int) -> ComparisonView:
    """All final metrics of the runs by name, and the hyper-parameters in which they differ."""
    metrics = sorted({name for run in runs for name in run.metrics})
    parameters = sorted({name for run in runs for name in run.config.hyper_parameters})
    rows = [ParameterRowView(name=name, values=_values(runs, name)) for name in parameters]
    return ComparisonView(
        runs=tuple(runs),
        metrics=tuple(
            MetricRowView(name=name, values=tuple(run.metrics.get(name) for run in runs)) for name in metrics
        ),
        parameters=tuple(row for row in rows if any(value != row.values[0] for value in row.values)),
        position=position,
    )


def _values(runs: Sequence[RunView], name: str) -> tuple[Any, ...]:
    return tuple(run.config.hyper_parameters.get(name) for run in runs)
