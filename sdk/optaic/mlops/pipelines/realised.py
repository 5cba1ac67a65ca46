"""What stored predictions turned out to be worth: live and simulated ones apart (rule 21)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from optaic.mlops.base import Evaluation
from optaic.mlops.measures.findings import Findings
from optaic.mlops.measures.monitored import is_degraded, performance_metrics, realised
from optaic.mlops.measures.profiles import Reference
from optaic.mlops.pipelines.grid import make_grid
from optaic.mlops.pipelines.knowledge import KEY, History, Inputs, Reader
from optaic.mlops.pipelines.labels import label_rows, target_of
from optaic.mlops.pipelines.output import RELEVANCE, outcome_rows
from optaic.mlops.pipelines.watching import past_rows
from optaic.mlops.runner.components import Components
from optaic.mlops.runner.connection import RunRefused
from optaic.mlops.runner.description import Input, RunDescription

SERIES_MAX = 400
RELEVANCE_DATES_MAX = 250
Origin = Literal["live", "simulated", "all", "none"]


@dataclass(frozen=True)
class Stored:
    """The instance's predictions as of the run, one row a (date, entity), by where they come from."""

    live: pl.DataFrame
    simulated: pl.DataFrame
    together: pl.DataFrame


def stored_predictions(description: RunDescription, reader: Reader) -> Stored:
    """The pinned predictions. A row that was made live stays live when the past is predicted again.

    Raises RunRefused where the predictions are not among the inputs.
    """
    pinned = _predictions(description)
    revisions = reader.revisions(pinned.role, description.as_of)
    late = pl.any_horizontal(
        pl.lit(value=False), *(pl.col("seq").is_between(first, last) for first, last in pinned.simulated)
    )

    def known(rows: pl.DataFrame) -> pl.DataFrame:
        return History(rows).as_of(description.as_of).drop("knowledge_date")

    return Stored(known(revisions.filter(~late)), known(revisions.filter(late)), known(revisions))


def outcomes(
    description: RunDescription, components: Components, reader: Reader, stored: Stored
) -> pl.DataFrame:
    """date, entity, outcome: everything that is known by now of what predictions are judged by.

    Of a relevance the entity is a feature; only the newest 250 dates are judged, because their features have
    to be computed again.
    """
    known = _targets(description, components, reader)
    if description.category != RELEVANCE:
        return known
    days = stored.together["date"].unique().sort().tail(RELEVANCE_DATES_MAX)
    names = tuple(stored.together["entity"].unique().sort())
    try:
        rows = past_rows(description, components, reader, days, names).frame
    except RunRefused:
        return known.clear()
    return outcome_rows(rows.join(known, on=["date", "entity"]), names, RELEVANCE)


def _targets(description: RunDescription, components: Components, reader: Reader) -> pl.DataFrame:
    truth = tuple(one for one in description.inputs if one.use != "watched")
    inputs = Inputs(reader, description.model_copy(update={"inputs": truth}))
    inputs.primary = inputs.inputs[_densest(inputs)]
    grid = make_grid(description, inputs, reader, components.trainer())
    target = target_of(components.target, description.config, grid)
    labels = label_rows(target, inputs, grid, description.config, vintage=False)
    return labels.select("date", "entity", "outcome").drop_nulls("outcome")


def measure_performance(
    findings: Findings,
    stored: Stored,
    known: pl.DataFrame,
    components: Components,
    category: str,
    reference: Reference | None,
    candidates: pl.DataFrame | None = None,
) -> dict[str, float]:
    """The figures of realised predictions; returns the definition's own under their plain names.

    Live predictions are judged where one of them is realised, else the simulated ones; together only where
    the monitor says so. `candidates`: date, entity, signal of what a filter chose from.
    """
    monitor = components.monitor()
    origin, rows = _judged(stored, known, mixes=monitor.mixes_simulated)
    joined = rows.join(known, on=["date", "entity"], how="inner").sort("date", "entity")
    findings.facts |= {
        "predictions": stored.together.height,
        "realised": joined.height,
        "dates": joined["date"].n_unique(),
        "performance_of": origin,
        "live": stored.live.height,
        "simulated": stored.simulated.height,
    }
    rejected = None if candidates is None else _rejected(candidates, rows, known)
    own = {} if joined.is_empty() else monitor.performance(Evaluation(joined, rejected=rejected))
    every = rows.join(known, on=["date", "entity"], how="left").sort("date", "entity")
    columns = list(components.predictor.columns)
    figures = realised(category, every, columns, own, rejected=rejected)
    baseline = {} if reference is None or reference.baseline is None else reference.baseline.metrics
    findings.performance = performance_metrics(figures, baseline, monitor.lower_is_better)
    findings.degraded = is_degraded(monitor.key_metric, findings.performance, monitor.degraded_from)
    findings.series = _series(joined, columns)
    if joined.is_empty():
        findings.not_measured["performance"] = "no prediction has a known outcome yet"
    elif not baseline:
        findings.not_measured["degradation"] = "the model version has no baseline"
    return {name: figures[name] for name in own if name in figures}


def _judged(stored: Stored, known: pl.DataFrame, *, mixes: bool) -> tuple[Origin, pl.DataFrame]:
    if mixes:
        return "all", stored.together
    keys = known.select(KEY)
    if not stored.live.join(keys, on=KEY, how="semi").is_empty():
        return "live", stored.live
    if not stored.simulated.join(keys, on=KEY, how="semi").is_empty():
        return "simulated", stored.simulated
    return "none", stored.live if stored.live.height else stored.simulated


def _rejected(candidates: pl.DataFrame, kept: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    days = kept["date"].unique()
    offered = candidates.filter(pl.col("date").is_in(days.implode()))
    return offered.join(kept, on=["date", "entity"], how="anti").join(known, on=["date", "entity"])


def _series(joined: pl.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Evenly spaced rows of what was predicted and what came."""
    step = max(1, -(-joined.height // SERIES_MAX))
    column = "signal" if "signal" in columns else columns[-1]
    numeric = [name for name in columns if joined[name].dtype.is_numeric()]
    shown = column if column in numeric or not numeric else numeric[-1]
    rows = joined.gather_every(step).select("date", "entity", predicted=shown, realised="outcome")
    return [row | {"date": row["date"].isoformat()} for row in rows.iter_rows(named=True) if _is_telling(row)]


def _is_telling(row: dict[str, Any]) -> bool:
    return all(row[name] is not None and row[name] == row[name] for name in ("predicted", "realised"))


def _densest(inputs: Inputs) -> str:
    """The role with the most dates: without a calendar its rows are the sessions that horizons count."""
    return max(inputs.inputs, key=lambda role: inputs.history(role).revisions["date"].n_unique())


def _predictions(description: RunDescription) -> Input:
    found = [one for one in description.inputs if one.dataset == description.output_dataset]
    if not found:
        raise RunRefused("run.inputs_invalid", "the instance's predictions are not among the inputs")
    return found[0]
