"""Current rows beside a reference, column by column: scores, and what a threshold makes of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
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


@dataclass(frozen=True)
class Pair:
    """Two samples of finite values, and how they are compared."""

    reference: np.ndarray
    current: np.ndarray
    method: Method


@dataclass(frozen=True)
class Beside:
    """Current rows beside a reference, before anything is scored."""

    profiles: Mapping[str, ColumnProfile]
    frame: pl.DataFrame
    pinned: Mapping[str, Pinned]
    reasons: Mapping[str, str]
    """Why a column is not scored; empty where it is."""
    pairs: Mapping[str, Pair]
    """Those of numbers; categories are compared by their counts."""

    def drifts(self, scores: Mapping[str, float]) -> list[ColumnDrift]:
        """The drift of each profiled column, in the order of the profiles, given the scores of `pairs`."""
        return [self._drift(name, scores.get(name)) for name in self.profiles]

    def _drift(self, name: str, score: float | None) -> ColumnDrift:
        how, size = self.pinned[name], _size(self.frame, name)
        if self.reasons[name]:
            return ColumnDrift(name, how.method, how.threshold, None, size, self.reasons[name])
        histogram = distribution(self.profiles[name], self.frame[name])
        bins = drift.psi_of_counts(histogram.reference, histogram.current)
        pair = self.pairs.get(name)
        if pair is None:
            return ColumnDrift(name, "psi", how.threshold, bins, size, "", bins)
        ks = drift.ks(pair.reference, pair.current)
        if score is None or not isfinite(score):
            return ColumnDrift(name, how.method, how.threshold, None, size, "no finite score", bins, ks)
        return ColumnDrift(name, how.method, how.threshold, score, size, "", bins, ks)


class Scorer(Protocol):
    """Whoever computes the scores of numeric columns."""

    def __call__(self, pairs: Mapping[str, Pair]) -> Mapping[str, float]:
        """A score for each column."""
        ...


def own_scores(pairs: Mapping[str, Pair]) -> dict[str, float]:
    """The scores by this package's own arithmetic."""
    return {name: drift.score(one.method, one.reference, one.current) for name, one in pairs.items()}


def beside(
    profiles: Mapping[str, ColumnProfile],
    frame: pl.DataFrame,
    pinned: Mapping[str, Pinned],
    *,
    rows_min: int = ROWS_MIN,
) -> Beside:
    """Put current rows beside a reference; `pinned` names each column's method and threshold.

    A column that is gone, has too few values or no reference gets a reason. At most 100,000 evenly spaced
    rows are scored.
    """
    sampled = _evenly(frame, SCORED_ROWS_MAX)
    reasons = {name: _reason(one, frame, name, rows_min) for name, one in profiles.items()}
    pairs = {
        name: Pair(np.asarray(one.points), finite_numbers(sampled[name]), pinned[name].method)
        for name, one in profiles.items()
        if not reasons[name] and one.is_numeric
    }
    return Beside(profiles, frame, pinned, reasons, pairs)


def compare(
    profiles: Mapping[str, ColumnProfile],
    frame: pl.DataFrame,
    pinned: Mapping[str, Pinned],
    *,
    rows_min: int = ROWS_MIN,
) -> list[ColumnDrift]:
    """The drift of each profiled column by this package's own arithmetic."""
    both = beside(profiles, frame, pinned, rows_min=rows_min)
    return both.drifts(own_scores(both.pairs))


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


def reasons(drifts: Iterable[ColumnDrift]) -> dict[str, str]:
    """Column → why it has no score."""
    return {one.column: one.reason for one in drifts if one.reason}


def _size(frame: pl.DataFrame, name: str) -> int:
    if name not in frame.columns:
        return 0
    column = frame[name]
    return column.len() - column.null_count() if is_category(column) else finite_numbers(column).size


def _reason(one: ColumnProfile, frame: pl.DataFrame, name: str, rows_min: int) -> str:
    if name not in frame.columns:
        return "the column is not there"
    if is_category(frame[name]) == one.is_numeric and one.finite:
        return "the column changed its type"
    if not one.finite or not sum(one.counts):
        return "the reference has no values"
    size = _size(frame, name)
    return f"{size} values, {rows_min} are needed" if size < max(1, rows_min) else ""


def _evenly(frame: pl.DataFrame, rows: int) -> pl.DataFrame:
    if frame.height <= rows:
        return frame
    return frame[((np.arange(rows) + 0.5) * frame.height / rows).astype(np.int64)]
