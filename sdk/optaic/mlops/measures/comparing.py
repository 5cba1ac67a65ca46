"""Current rows beside a reference, column by column: scores, and what a threshold makes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl

from optaic.mlops.measures import drift
from optaic.mlops.measures.drift import Method
from optaic.mlops.measures.profiles import ColumnProfile, binned, counted, finite_numbers, is_category

ROWS_MIN = 100
"""With fewer current values a score says more about chance than about drift."""
SCORED_ROWS_MAX = 100_000


@dataclass(frozen=True)
class Pinned:
    """How a column is scored and from which score on it has drifted."""

    method: Method
    threshold: float


@dataclass(frozen=True)
class ColumnDrift:
    """One column's comparison. `score` is None where `reason` says why there is none."""

    column: str
    method: Method
    threshold: float
    score: float | None
    values: int
    """Current values that were compared."""
    reason: str = ""
    psi_bins: float | None = None
    """PSI over the reference's own bins."""
    ks: float | None = None

    @property
    def drifted(self) -> bool:
        """Whether the score is above the threshold."""
        return self.score is not None and self.score > self.threshold


@dataclass(frozen=True)
class Distribution:
    """Two histograms over the same bins; for a category `edges` is empty and `values` names the bins."""

    edges: tuple[float, ...]
    values: tuple[str, ...]
    reference: tuple[int, ...]
    current: tuple[int, ...]


class Scorer(Protocol):
    """Whoever computes the scores of numeric columns: reference and current finite values by column."""

    def __call__(
        self,
        reference: Mapping[str, np.ndarray],
        current: Mapping[str, np.ndarray],
        methods: Mapping[str, Method],
    ) -> Mapping[str, float]:
        """A score for each column."""
        ...


def own_scores(
    reference: Mapping[str, np.ndarray], current: Mapping[str, np.ndarray], methods: Mapping[str, Method]
) -> dict[str, float]:
    """The scores by this package's own arithmetic."""
    return {name: drift.score(methods[name], reference[name], current[name]) for name in methods}


def compare(
    profiles: Mapping[str, ColumnProfile],
    frame: pl.DataFrame,
    pinned: Mapping[str, Pinned],
    *,
    rows_min: int = ROWS_MIN,
    scores: Scorer = own_scores,
) -> list[ColumnDrift]:
    """The drift of each profiled column, in the order of `profiles`; `pinned` names each one's method.

    A column that is gone, has too few values or no reference has a reason instead of a score. At most
    100,000 evenly spaced rows are scored.
    """
    scored = _evenly(frame, SCORED_ROWS_MAX)
    sizes = {name: _size(frame, name) for name in profiles}
    reasons = {name: _reason(profiles[name], frame, name, sizes[name], rows_min) for name in profiles}
    able = [name for name in profiles if not reasons[name] and profiles[name].is_numeric]
    samples = {name: finite_numbers(scored[name]) for name in able}
    references = {name: np.asarray(profiles[name].points) for name in able}
    given = scores(references, samples, {name: pinned[name].method for name in able}) if able else {}
    found: list[ColumnDrift] = []
    for name, one in profiles.items():
        how = pinned[name]
        row = ColumnDrift(name, how.method, how.threshold, None, sizes[name], reasons[name])
        if not row.reason:
            histogram = distribution(one, frame[name])
            bins = drift.psi_of_counts(histogram.reference, histogram.current)
            score = given.get(name, bins)
            ks = drift.ks(references[name], samples[name]) if name in given else None
            method: Method = how.method if name in given else "psi"
            row = ColumnDrift(name, method, how.threshold, score, sizes[name], "", bins, ks)
        found.append(row)
    return found


def distribution(one: ColumnProfile, column: pl.Series) -> Distribution:
    """The histogram of current values over the reference's bins."""
    if not one.is_numeric:
        return Distribution((), one.values, one.counts, counted(column, one.values))
    return Distribution(one.edges, (), one.counts, binned(finite_numbers(column), one.edges))


def distributions(profiles: Mapping[str, ColumnProfile], frame: pl.DataFrame) -> dict[str, Distribution]:
    """Histograms of all columns that are there and have a reference."""
    return {
        name: distribution(one, frame[name])
        for name, one in profiles.items()
        if name in frame.columns and is_category(frame[name]) != one.is_numeric and one.counts
    }


def share(drifts: Sequence[ColumnDrift]) -> float | None:
    """Share of the scored columns that have drifted; None where none was scored."""
    scored = [one for one in drifts if one.score is not None]
    return sum(one.drifted for one in scored) / len(scored) if scored else None


def _size(frame: pl.DataFrame, name: str) -> int:
    if name not in frame.columns:
        return 0
    column = frame[name]
    return column.len() - column.null_count() if is_category(column) else finite_numbers(column).size


def _reason(one: ColumnProfile, frame: pl.DataFrame, name: str, size: int, rows_min: int) -> str:
    if name not in frame.columns:
        return "the column is not there"
    if is_category(frame[name]) == one.is_numeric and one.finite:
        return "the column changed its type"
    if not one.finite or not sum(one.counts):
        return "the reference has no values"
    if size < rows_min:
        return f"{size} values, {rows_min} are needed"
    return ""


def _evenly(frame: pl.DataFrame, rows: int) -> pl.DataFrame:
    if frame.height <= rows:
        return frame
    return frame[((np.arange(rows) + 0.5) * frame.height / rows).astype(np.int64)]
