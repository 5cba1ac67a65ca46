"""Runs side by side."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from application.views import ComparisonView, MetricRowView, ParameterRowView, RunView

_OF_THE_RUN = ("definition", "package_sha256", "as_of", "decisions", "refit", "executor", "output_dataset")
"""What a run pins beside parameters, config and inputs."""


def compared(runs: Sequence[RunView], position: int) -> ComparisonView:
    """All final metrics of the runs by name, and the parameters, settings and inputs in which they differ."""
    metrics = sorted({name for run in runs for name in run.metrics})
    return ComparisonView(
        runs=tuple(runs),
        metrics=tuple(
            MetricRowView(name=name, values=tuple(run.metrics.get(name) for run in runs)) for name in metrics
        ),
        parameters=_differing(runs, lambda run: run.config.hyper_parameters),
        settings=_differing(runs, _settings),
        inputs=_differing(runs, _inputs),
        position=position,
    )


def _differing(
    runs: Sequence[RunView], facts: Callable[[RunView], dict[str, Any]]
) -> tuple[ParameterRowView, ...]:
    """A row a name whose values are not the same in all runs."""
    told = [facts(run) for run in runs]
    rows = [
        ParameterRowView(name=name, values=tuple(one.get(name) for one in told))
        for name in sorted({name for one in told for name in one})
    ]
    return tuple(row for row in rows if any(value != row.values[0] for value in row.values))


def _settings(run: RunView) -> dict[str, Any]:
    config = {**msgspec.to_builtins(run.config), "hyper_parameters": None}
    pinned = {name: msgspec.to_builtins(getattr(run, name)) for name in _OF_THE_RUN}
    model = None if run.model is None else f"{run.instance}@{run.model.number}"
    return {**config, **pinned, "definition": str(run.definition), "model": model}


def _inputs(run: RunView) -> dict[str, Any]:
    """Role → dataset version."""
    return {one.role: f"{one.dataset}@{one.version}" for one in run.inputs}
