"""Monitoring: what stored predictions turned out to be worth, once their outcome is known."""

import math
from collections.abc import Mapping
from typing import Any, Protocol

from optaic.mlops.base import Evaluation
from optaic.mlops.pipelines.grid import make_grid
from optaic.mlops.pipelines.knowledge import Inputs, Reader
from optaic.mlops.pipelines.labels import label_rows, target_of
from optaic.mlops.runner.components import Components
from optaic.mlops.runner.connection import RunRefused
from optaic.mlops.runner.description import RunDescription


class Connection(Reader, Protocol):
    """What a monitoring asks of its executor."""

    def progress(self, fraction: float, message: str) -> None:
        """Say how far the run is."""
        ...

    def complete(self, metrics: Mapping[str, float], facts: Mapping[str, Any]) -> None:
        """Hand over the results."""
        ...


def monitor(description: RunDescription, components: Components, connection: Connection) -> None:
    """Join the pinned predictions with the outcomes known by now and measure them."""
    inputs = Inputs(connection, description)
    inputs.primary = inputs.inputs[_densest(inputs)]
    predictions = (
        inputs.history(_predictions_role(description)).as_of(description.as_of).drop("knowledge_date")
    )
    connection.progress(0.3, "computing outcomes")
    grid = make_grid(description, inputs, connection, components.trainer())
    target = target_of(components.target, description.config, grid)
    labels = label_rows(target, inputs, grid, description.config, vintage=False)
    outcomes = labels.select("date", "entity", "outcome").drop_nulls("outcome")
    joined = predictions.join(outcomes, on=["date", "entity"], how="inner").sort("date", "entity")
    metrics: dict[str, float] = {}
    if not joined.is_empty():
        metrics = components.monitor().performance(Evaluation(joined))
    finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
    connection.progress(1.0, "done")
    facts = {"predictions": predictions.height, "realised": joined.height, "dates": joined["date"].n_unique()}
    connection.complete(finite, facts)


def _densest(inputs: Inputs) -> str:
    """The role with the most dates: without a calendar its rows are the sessions that horizons count."""
    return max(inputs.inputs, key=lambda role: inputs.history(role).revisions["date"].n_unique())


def _predictions_role(description: RunDescription) -> str:
    roles = [one.role for one in description.inputs if one.dataset == description.output_dataset]
    if not roles:
        raise RunRefused("run.inputs_invalid", "the instance's predictions are not among the inputs")
    return roles[0]
