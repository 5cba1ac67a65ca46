"""Monitoring: current inputs beside the training's, and what stored predictions turned out to be worth."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from optaic.mlops.measures.comparing import own_scores
from optaic.mlops.measures.evidently_scores import EvidentlyScores
from optaic.mlops.measures.findings import Findings
from optaic.mlops.measures.profiles import Reference
from optaic.mlops.pipelines.knowledge import History, Reader
from optaic.mlops.pipelines.realised import Stored, measure_performance, outcomes, stored_predictions
from optaic.mlops.pipelines.reference import read_reference
from optaic.mlops.pipelines.watching import Current, current_rows, measure_drift, measure_inputs
from optaic.mlops.runner.components import Components
from optaic.mlops.runner.connection import RunRefused
from optaic.mlops.runner.description import RunDescription

METRICS_MAX = 700


class Connection(Reader, Protocol):
    """What a monitoring asks of its executor."""

    def progress(self, fraction: float, message: str) -> None:
        """Say how far the run is."""
        ...

    def stage_report(self, path: Path, name: str) -> None:
        """Hand in a report: `report` (JSON) or `evidently` (gzipped HTML)."""
        ...

    def complete(self, metrics: Mapping[str, float], facts: Mapping[str, Any]) -> None:
        """Hand over the results."""
        ...


def monitor(description: RunDescription, components: Components, connection: Connection) -> None:
    """Measure the newest decisions against the training reference, and realised predictions against the
    training's baseline. What cannot be measured is named in the facts.
    """
    findings = Findings()
    reference = _reference(description, findings)
    connection.progress(0.1, "reading predictions")
    stored = stored_predictions(description, connection)
    connection.progress(0.2, "computing the newest features")
    current = _current(description, components, connection, reference, findings)
    if current is not None:
        measure_inputs(findings, current, reference)
    connection.progress(0.4, "comparing with the training")
    if reference is not None:
        _drift(findings, current, stored.together, reference, components, connection)
    connection.progress(0.7, "computing outcomes")
    own = _performance(description, components, connection, stored, reference, findings)
    _stage(findings, description, connection)
    connection.progress(1.0, "done")
    connection.complete(_finite(findings.metrics() | own), findings.told())


def _reference(description: RunDescription, findings: Findings) -> Reference | None:
    """The reference of the pinned model version; its name and absence are told."""
    found = None
    if description.model is not None:
        findings.facts["model_version"] = description.model.number
        found = read_reference(Path(description.model.folder))
    if found is None:
        findings.not_measured["drift"] = "the model version has no training reference"
    else:
        findings.facts["reference"] = {
            "rows": found.rows,
            "first": found.first.isoformat() if found.first else None,
            "last": found.last.isoformat() if found.last else None,
        }
    return found


def _current(
    description: RunDescription,
    components: Components,
    connection: Connection,
    reference: Reference | None,
    findings: Findings,
) -> Current | None:
    features = description.config.feature_cols
    if reference is not None:
        features = tuple(reference.features)
    try:
        return current_rows(description, components, connection, features)
    except RunRefused as refusal:
        findings.not_measured["features"] = f"{refusal.code}: {refusal.message}"[:500]
    except Exception as error:  # features that fail on current data are a finding: the rest is measured
        findings.not_measured["features"] = f"{type(error).__name__}: {error}"[:500]
    return None


def _drift(
    findings: Findings,
    current: Current | None,
    predictions: pl.DataFrame,
    reference: Reference,
    components: Components,
    connection: Connection,
) -> None:
    """Score, and hand in Evidently's page where it computed."""
    watch = components.monitor()
    evidently = EvidentlyScores() if watch.evidently else None
    measure_drift(findings, current, predictions, reference, watch, evidently or own_scores)
    findings.facts["scored_by"] = evidently.by if evidently and evidently.by else "optaic"
    if evidently is None:
        return
    page = Path("evidently.html.gz")
    if evidently.write_page(page):
        connection.stage_report(page.resolve(), "evidently")
    if evidently.problem:
        findings.not_measured["evidently"] = evidently.problem


def _performance(
    description: RunDescription,
    components: Components,
    connection: Connection,
    stored: Stored,
    reference: Reference | None,
    findings: Findings,
) -> dict[str, float]:
    known = outcomes(description, components, connection, stored)
    candidates = None
    if description.category == "signal_filtering":
        candidates = _candidates(description, connection)
    return measure_performance(
        findings, stored, known, components, description.category, reference, candidates
    )


def _candidates(description: RunDescription, connection: Connection) -> pl.DataFrame | None:
    """date, entity, signal of the input that a filter chooses from: the first that holds signals."""
    for pinned in description.feature_roles.values():
        rows = History(connection.revisions(pinned, description.as_of)).as_of(description.as_of)
        if "signal" in rows.columns:
            return rows.select("date", "entity", "signal")
    return None


def _stage(findings: Findings, description: RunDescription, connection: Connection) -> None:
    """Hand in report.json; numbers that JSON has no form for become null."""
    head = {
        "run": description.run_id,
        "instance": description.instance,
        "definition": description.definition,
        "category": description.category,
        "as_of": description.as_of.isoformat(),
    }
    path = Path("report.json")
    content = json.dumps(_plain(head | findings.report()), allow_nan=False, separators=(",", ":"))
    path.write_text(content, encoding="utf-8")
    connection.stage_report(path.resolve(), "report")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
    return dict(list(finite.items())[:METRICS_MAX])
