"""The current inputs and predictions of a model, measured beside what it was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from optaic.mlops.base import BaseMonitor
from optaic.mlops.measures.comparing import Pinned, Scorer, compare, distributions, own_scores
from optaic.mlops.measures.drift import METHODS
from optaic.mlops.measures.findings import Findings
from optaic.mlops.measures.profiles import ColumnProfile, Reference
from optaic.mlops.measures.quality import column_quality, coverage, repeated_rows, sessions_since
from optaic.mlops.pipelines.features import feature_rows
from optaic.mlops.pipelines.grid import Grid, make_grid
from optaic.mlops.pipelines.knowledge import Inputs, Reader
from optaic.mlops.runner.components import Components
from optaic.mlops.runner.connection import RunRefused
from optaic.mlops.runner.description import RunDescription


@dataclass(frozen=True)
class Current:
    """The newest decisions: date, entity and features as an inference sees them, and the sessions so far."""

    frame: pl.DataFrame
    columns: tuple[str, ...]
    grid: Grid
    newest: Mapping[str, date | None]
    """The newest date of each input."""


class Renamed:
    """A reader that finds pinned inputs under the names that the definition's code uses."""

    def __init__(self, reader: Reader, names: Mapping[str, str]) -> None:
        self._reader = reader
        self._names = names

    def revisions(self, role: str, as_of: datetime) -> pl.DataFrame:
        """Every row of an input, by the code's name for it."""
        return self._reader.revisions(self._names[role], as_of)

    def sessions(self, calendar: str, first: date, last: date) -> pl.DataFrame:
        """The calendar's sessions."""
        return self._reader.sessions(calendar, first, last)


def current_rows(
    description: RunDescription, components: Components, reader: Reader, features: tuple[str, ...] | None
) -> Current:
    """The features of the newest decisions known at the run's `as_of`, read as inference reads them.

    Raises RunRefused where an input is not pinned, holds no row, or the definition's features are malformed.
    """
    watched = _watched(description)
    renamed = Renamed(reader, description.feature_roles)
    inputs = Inputs(renamed, watched)
    grid = make_grid(watched, inputs, renamed, components.trainer())
    decisions = grid.decisions.tail(components.monitor.window)
    config = description.config.model_copy(update={"feature_cols": features})
    rows = feature_rows(components.features(), inputs, grid, decisions, config, vintage=True)
    newest = {role: _newest(inputs.history(role).revisions) for role in watched_roles(description)}
    return Current(rows.frame, rows.columns, grid, newest)


def watched_roles(description: RunDescription) -> tuple[str, ...]:
    """The names of the inputs that features are computed from."""
    return tuple(description.feature_roles)


def _watched(description: RunDescription) -> RunDescription:
    by_role = {one.role: one for one in description.inputs}
    missing = [role for role in description.feature_roles.values() if role not in by_role]
    if missing or not description.feature_roles:
        named = f": {missing[0]}" if missing else ""
        raise RunRefused("run.inputs_invalid", f"the run did not pin the inputs of the features{named}")
    inputs = tuple(
        by_role[pinned].model_copy(update={"role": role, "use": "input"})
        for role, pinned in description.feature_roles.items()
    )
    return description.model_copy(update={"inputs": inputs})


def measure_inputs(
    findings: Findings,
    current: Current,
    reference: Reference | None,
    monitor: BaseMonitor,
    scores: Scorer = own_scores,
) -> None:
    """Drift, quality, freshness and coverage of the newest decisions' features."""
    frame = current.frame
    profiles = {} if reference is None else reference.features
    for name in current.columns:
        findings.quality[name] = column_quality(frame[name], profiles.get(name))
    findings.repeated_rows = repeated_rows(frame, current.columns)
    findings.freshness |= sessions_since(current.newest, current.grid.sessions["session"])
    findings.coverage = coverage(frame, None if reference is None else reference.universe)
    findings.facts["current"] = {
        "rows": frame.height,
        "decisions": frame["date"].n_unique(),
        "first": _iso(frame["date"].min()),
        "last": _iso(frame["date"].max()),
    }
    if profiles:
        findings.features = compare(profiles, frame, pins(monitor, profiles), scores=scores)
        findings.distributions |= distributions(profiles, frame)
        _reasons(findings, "features")


def measure_predictions(
    findings: Findings,
    predictions: pl.DataFrame,
    reference: Reference | None,
    monitor: BaseMonitor,
    scores: Scorer = own_scores,
) -> None:
    """Drift of the newest predictions against those that judged the model at training."""
    if reference is None or not reference.predictions or predictions.is_empty():
        return
    days = predictions["date"].unique().sort().tail(monitor.window)
    newest = predictions.filter(pl.col("date") >= days[0])
    profiles = reference.predictions
    findings.predictions = compare(profiles, newest, pins(monitor, profiles), scores=scores)
    _reasons(findings, "predictions")


def pins(monitor: BaseMonitor, profiles: Mapping[str, ColumnProfile]) -> dict[str, Pinned]:
    """Each column's method and threshold: its own, or the monitor's usual one."""
    found: dict[str, Pinned] = {}
    for name in profiles:
        method, threshold = monitor.drift_columns.get(name, (monitor.drift_method, monitor.drift_threshold))
        if method not in METHODS:
            raise RunRefused(
                "run.drift_method_unknown", f"{name}: {method!r} is none of {', '.join(METHODS)}"
            )
        found[name] = Pinned(method, float(threshold))
    return found


def _reasons(findings: Findings, what: str) -> None:
    drifts = findings.features if what == "features" else findings.predictions
    findings.not_measured |= {f"{what}.{one.column}": one.reason for one in drifts if one.reason}


def _newest(revisions: pl.DataFrame) -> date | None:
    newest = revisions["date"].max()
    return newest if isinstance(newest, date) else None


def _iso(day: object) -> str | None:
    return day.isoformat() if isinstance(day, date) else None
