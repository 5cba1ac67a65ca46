"""A column in short: counts, moments, a histogram and evenly spaced values, enough to compare another sample.

A profile is stored with the model version, so a later comparison is with the very data it was trained on.
"""

import math
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pydantic

BINS = 16
"""Bins of equal width between the 1 % and 99 % quantiles; one more on either side where values lie there."""
POINTS_MAX = 500
POINTS_IN_ALL = 30_000
POINTS_MIN = 50
CATEGORIES_MAX = 20
ENTITIES_MAX = 500
OTHER = "(other)"
LARGEST = 1e150
"""Larger numbers count as infinite: their squares have no finite form."""
_DIGITS = 12


class _Stored(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class ColumnProfile(_Stored):
    """One column. `edges` has one more than `counts`; a category's `values` has as many."""

    count: int
    """Rows, missing ones included."""
    missing: int
    infinite: int = 0
    mean: float | None = None
    std: float | None = None
    """Of the population; as every moment, of finite values."""
    low: float | None = None
    high: float | None = None
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    points: tuple[float, ...] = ()
    """Values at evenly spaced places of the sorted column: all of them where they are few."""
    values: tuple[str, ...] = ()
    """Categories by falling count, the rest together as `(other)`."""

    @property
    def is_numeric(self) -> bool:
        """Whether the column holds numbers."""
        return not self.values

    @property
    def finite(self) -> int:
        """How many values can be compared."""
        return self.count - self.missing - self.infinite


class Universe(_Stored):
    """The entities that were there: how many in all, how many a date, and their names where they are few."""

    count: int
    per_date: float
    names: tuple[str, ...]


class Baseline(_Stored):
    """Performance of out-of-sample predictions at training: what realised figures are compared with."""

    metrics: dict[str, float]
    rows: int
    dates: int
    not_measured: str = ""
    """Why the definition's own figures are missing, where they are."""


class Reference(_Stored):
    """What a model version was trained on, in short."""

    form: int = 1
    rows: int
    first: date | None
    last: date | None
    universe: Universe
    features: dict[str, ColumnProfile]
    predictions: dict[str, ColumnProfile] = {}
    """Of the walk-forward's out-of-sample predictions; none without a walk-forward."""
    baseline: Baseline | None = None


def profile(frame: pl.DataFrame, columns: Sequence[str]) -> dict[str, ColumnProfile]:
    """A profile for each column. Text and truth values are categories, everything else becomes Float64."""
    points = max(POINTS_MIN, min(POINTS_MAX, POINTS_IN_ALL // max(1, len(columns))))
    return {name: profile_column(frame[name], points) for name in columns}


def profile_column(column: pl.Series, points: int = POINTS_MAX) -> ColumnProfile:
    """The profile of one column; raises polars' InvalidOperationError for a type that is no number."""
    if is_category(column):
        return _categories(column)
    values = numbers(column)
    finite = np.sort(finite_only(values))
    missing = int(np.isnan(values).sum())
    infinite = values.size - missing - finite.size
    if not finite.size:
        return ColumnProfile(count=values.size, missing=missing, infinite=infinite)
    edges = _edges(finite)
    return ColumnProfile(
        count=values.size,
        missing=missing,
        infinite=infinite,
        mean=_short(float(finite.mean())),
        std=_short(float(finite.std())),
        low=float(finite[0]),
        high=float(finite[-1]),
        edges=edges,
        counts=binned(finite, edges),
        points=tuple(finite[_places(finite.size, points)].tolist()),
    )


def universe(frame: pl.DataFrame) -> Universe:
    """The entities of rows (date, entity)."""
    names = frame["entity"].unique().sort().to_list()
    days = frame["date"].n_unique()
    per_date = frame.height / days if days else 0.0
    return Universe(count=len(names), per_date=_short(per_date), names=tuple(names[:ENTITIES_MAX]))


def reference(frame: pl.DataFrame, features: Sequence[str]) -> Reference:
    """The reference of training rows: date Date, entity str and the features."""
    first: Any = frame["date"].min()
    last: Any = frame["date"].max()
    return Reference(
        rows=frame.height,
        first=first,
        last=last,
        universe=universe(frame),
        features=profile(frame, features),
    )


def is_category(column: pl.Series) -> bool:
    """Whether a column is compared by its values rather than along a line."""
    return isinstance(column.dtype, pl.String | pl.Boolean | pl.Categorical | pl.Enum)


def numbers(column: pl.Series) -> np.ndarray:
    """The column as float64, missing values as NaN."""
    return column.cast(pl.Float64).to_numpy().astype(np.float64, copy=False)


def finite_numbers(column: pl.Series) -> np.ndarray:
    """The finite values of a column as float64."""
    return finite_only(numbers(column))


def finite_only(values: np.ndarray) -> np.ndarray:
    """Those that are neither missing nor infinite nor beyond 1e150."""
    return values[np.abs(values) <= LARGEST]


def binned(values: np.ndarray, edges: Sequence[float]) -> tuple[int, ...]:
    """How many values lie in each bin; what lies outside counts in the bin at its side."""
    if not edges:
        return ()
    inner = np.asarray(edges[1:-1])
    places = np.searchsorted(inner, values, side="right")
    return tuple(np.bincount(places, minlength=len(edges) - 1).tolist())


def counted(column: pl.Series, values: Sequence[str]) -> tuple[int, ...]:
    """How often each category occurs; those that are not named count as `(other)`, or are left out."""
    found: dict[str, int] = {}
    for name, count in column.drop_nulls().cast(pl.String).value_counts().iter_rows():
        found[name if name in values else OTHER] = found.get(name if name in values else OTHER, 0) + count
    return tuple(found.get(name, 0) for name in values)


def _categories(column: pl.Series) -> ColumnProfile:
    present = column.drop_nulls().cast(pl.String)
    counts = present.value_counts().rows()
    ranked = sorted(counts, key=lambda pair: (-pair[1], pair[0]))[: CATEGORIES_MAX - 1]
    values = (*(name for name, _ in ranked), OTHER)
    known = [count for _, count in ranked]
    return ColumnProfile(
        count=column.len(),
        missing=column.null_count(),
        values=values,
        counts=(*known, present.len() - sum(known)),
    )


def _edges(finite: np.ndarray) -> tuple[float, ...]:
    """From the least to the greatest value; a constant has one bin around it."""
    low, high = float(finite[0]), float(finite[-1])
    if low == high:
        half = max(0.5, abs(low) * 1e-9)
        return (low - half, high + half)
    inner_low, inner_high = (
        float(finite[place]) for place in (int(0.01 * (finite.size - 1)), math.ceil(0.99 * (finite.size - 1)))
    )
    inner = np.linspace(inner_low, inner_high, BINS + 1).tolist() if inner_low < inner_high else [inner_low]
    return tuple(np.unique([low, *inner, high]).tolist())


def _places(size: int, points: int) -> np.ndarray:
    if size <= points:
        return np.arange(size)
    return ((np.arange(points) + 0.5) * size / points).astype(np.int64)


def _short(value: float) -> float:
    """Twelve digits: sums may differ in the last ones from machine to machine."""
    return float(f"{value:.{_DIGITS}g}")
