"""The training reference: what monitoring compares with, stored in the model file and pinned by its hash."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from optaic.mlops.base import BaseMonitor, Evaluation
from optaic.mlops.measures import profiles
from optaic.mlops.measures.monitored import realised
from optaic.mlops.measures.profiles import Baseline, Reference
from optaic.mlops.pipelines.walk_forward import Rows

FILE = "reference.json"


def training_reference(
    trained: Rows,
    judged: pl.DataFrame | None,
    output: Sequence[str],
    category: str,
    monitor: BaseMonitor,
    rejected: pl.DataFrame | None = None,
) -> Reference:
    """The profile of the rows that the model was fitted on and of its walk-forward's predictions.

    `judged`: date, entity, the output's columns and outcome, out of sample; `rejected`: what a filter left
    out of them.
    """
    made = profiles.reference(trained.frame, trained.features)
    if judged is None or judged.is_empty():
        return made
    predicted = profiles.profile(judged, output)
    baseline = _baseline(judged, output, category, monitor, rejected)
    return made.model_copy(update={"predictions": predicted, "baseline": baseline})


def _baseline(
    judged: pl.DataFrame,
    output: Sequence[str],
    category: str,
    monitor: BaseMonitor,
    rejected: pl.DataFrame | None,
) -> Baseline:
    """The category's figures and the monitor's own, by the same code that measures realised predictions."""
    problem, own = "", dict[str, float]()
    try:
        own = monitor.performance(Evaluation(judged, rejected=rejected))
    except Exception as error:  # a monitor that cannot judge the past must not undo a training
        problem = f"{type(error).__name__}: {str(error)[:200]}"
    metrics = realised(category, judged, output, own, rejected=rejected)
    return Baseline(
        metrics=metrics, rows=judged.height, dates=judged["date"].n_unique(), not_measured=problem
    )


def write_reference(folder: Path, reference: Reference) -> None:
    """Write it beside the model's index: equal references give equal bytes."""
    (folder / FILE).write_text(reference.model_dump_json() + "\n", encoding="utf-8")


def read_reference(folder: Path) -> Reference | None:
    """What `write_reference` wrote; None in a model file that has none, as those made elsewhere."""
    path = folder / FILE
    return Reference.model_validate_json(path.read_bytes()) if path.exists() else None
