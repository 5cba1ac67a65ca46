"""The current inputs and predictions of a model, measured beside what it was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from optaic.mlops.base import BaseMonitor
from optaic.mlops.measures.comparing import Beside, Pinned, Scorer, beside, distributions, reasons
from optaic.mlops.measures.drift import METHODS
from optaic.mlops.measures.findings import Findings
from optaic.mlops.measures.profiles import ColumnProfile, Reference
from optaic.mlops.measures.quality import column_quality, coverage, repeated_rows, sessions_since
from optaic.mlops.pipelines.features import FeatureRows, feature_rows
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


@dataclass(frozen=True)
class Watched:
    """The inputs of the model's features, under the names that its code uses."""

    inputs: Inputs
    grid: Grid


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
    watched = watched_inputs(description, components, reader)
    decisions = watched.grid.decisions.tail(max(1, components.monitor.window))
    rows = _features(description, components, watched, decisions, features, keeps_empty=True)
    newest = {role: _newest(watched.inputs.history(role).revisions) for role in description.feature_roles}
    return Current(rows.frame, rows.columns, watched.grid, newest)


def past_rows(
    description: RunDescription,
    components: Components,
    reader: Reader,
    days: pl.Series,
    names: tuple[str, ...],
) -> FeatureRows:
    """The features of past decisions, each as known then. Raises RunRefused as `current_rows` does."""
    watched = watched_inputs(description, components, reader)
    decisions = watched.grid.decisions.filter(pl.col("date").is_in(days.implode()))
    return _features(description, components, watched, decisions, names)


def watched_inputs(description: RunDescription, components: Components, reader: Reader) -> Watched:
    """Inputs and sessions as an inference of the model sees them."""
    told = _watched(description)
    renamed = Renamed(reader, description.feature_roles)
    inputs = Inputs(renamed, told)
    return Watched(inputs, make_grid(told, inputs, renamed, components.trainer()))


def _features(
    description: RunDescription,
    components: Components,
    watched: Watched,
    decisions: pl.DataFrame,
    names: tuple[str, ...] | None,
    *,
    keeps_empty: bool = False,
) -> FeatureRows:
    if decisions.is_empty():
        raise RunRefused("run.decisions_invalid", "no session was decided on by the run's as_of")
    config = description.config.model_copy(update={"feature_cols": names})
    return feature_rows(
        components.features(),
        watched.inputs,
        watched.grid,
        decisions,
        config,
        vintage=True,
        keeps_empty=keeps_empty,
    )


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


def measure_inputs(findings: Findings, current: Current, reference: Reference | None) -> None:
    """Quality, freshness and coverage of the newest decisions' features."""
    frame, columns = current.frame, current.columns
    profiles = {} if reference is None else reference.features
    findings.quality = {name: column_quality(frame[name], profiles.get(name)) for name in columns}
    valued = frame.filter(~pl.all_horizontal(pl.col(columns).is_null()))
    findings.repeated_rows = repeated_rows(valued, columns)
    findings.freshness |= sessions_since(current.newest, current.grid.sessions["session"])
    findings.coverage = coverage(valued, None if reference is None else reference.universe)
    findings.distributions |= distributions(profiles, frame)
    findings.facts["current"] = {
        "rows": valued.height,
        "decisions": valued["date"].n_unique(),
        "first": _iso(valued["date"].min()),
        "last": _iso(valued["date"].max()),
    }
    if valued.is_empty():
        findings.not_measured["features"] = "no decision of the window has a feature"


def measure_drift(
    findings: Findings,
    current: Current | None,
    predictions: pl.DataFrame,
    reference: Reference,
    monitor: BaseMonitor,
    scores: Scorer,
) -> None:
    """Drift of the newest decisions' features and predictions. All columns are scored in one call, as
    `feature.<name>` and `prediction.<name>`.
    """
    sides: dict[str, Beside] = {}
    if current is not None:
        sides["feature"] = beside(reference.features, current.frame, pins(monitor, reference.features))
    if reference.predictions and not predictions.is_empty():
        newest = newest_decisions(predictions, monitor.window)
        sides["prediction"] = beside(reference.predictions, newest, pins(monitor, reference.predictions))
    together = {f"{side}.{name}": pair for side, one in sides.items() for name, pair in one.pairs.items()}
    given: Mapping[str, float] = scores(together) if together else {}
    drifts = {side: one.drifts(_of_side(side, given)) for side, one in sides.items()}
    findings.features, findings.predictions = drifts.get("feature", []), drifts.get("prediction", [])
    for side, found in drifts.items():
        findings.not_measured |= {f"{side}.{name}": why for name, why in reasons(found).items()}


def newest_decisions(rows: pl.DataFrame, decisions: int) -> pl.DataFrame:
    """The rows of the newest dates, at most so many."""
    days = rows["date"].unique().sort().tail(decisions)
    return rows.filter(pl.col("date") >= days.min())


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


def _of_side(side: str, given: Mapping[str, float]) -> dict[str, float]:
    prefix = f"{side}."
    return {key.removeprefix(prefix): one for key, one in given.items() if key.startswith(prefix)}


def _newest(revisions: pl.DataFrame) -> date | None:
    newest = revisions["date"].max()
    return newest if isinstance(newest, date) else None


def _iso(day: object) -> str | None:
    return day.isoformat() if isinstance(day, date) else None
