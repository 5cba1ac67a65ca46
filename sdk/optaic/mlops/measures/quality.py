"""Whether current rows are fit to be used: missing, infinite, constant, repeated, out of range, old."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from optaic.mlops.measures.profiles import ColumnProfile, Universe, finite_only, is_category, numbers

NAMES_MAX = 20


@dataclass(frozen=True)
class ColumnQuality:
    """One column: shares of rows, and whether all its values are equal."""

    missing: float
    infinite: float
    out_of_range: float
    """Finite values below the reference's least or above its greatest, as a share of all rows."""
    constant: bool


@dataclass(frozen=True)
class Coverage:
    """The entities of the newest date beside those of the reference; names in order, at most 20 a list."""

    entities: int
    share: float
    """Of the reference's entities a date."""
    missing: tuple[str, ...]
    unknown: tuple[str, ...]


def column_quality(column: pl.Series, reference: ColumnProfile | None = None) -> ColumnQuality:
    """The quality of one column; an empty one is nothing of anything."""
    rows = max(1, column.len())
    if is_category(column):
        present = column.drop_nulls()
        unknown = 0
        if reference is not None and reference.values:
            unknown = int((~present.cast(pl.String).is_in(list(reference.values))).sum())
        return ColumnQuality(
            column.null_count() / rows, 0.0, unknown / rows, _is_constant(present.to_numpy())
        )
    values = numbers(column)
    finite = finite_only(values)
    missing = int(np.isnan(values).sum())
    outside = 0
    if reference is not None and reference.low is not None and reference.high is not None:
        outside = int(np.count_nonzero((finite < reference.low) | (finite > reference.high)))
    return ColumnQuality(
        missing=missing / rows,
        infinite=(values.size - missing - finite.size) / rows,
        out_of_range=outside / rows,
        constant=_is_constant(finite),
    )


def repeated_rows(frame: pl.DataFrame, columns: Sequence[str]) -> int:
    """Rows that repeat a key (entity, date) or, value for value, an earlier row of their entity.

    A feed that stands still shows here. Without a key whole rows are compared.
    """
    key = [name for name in ("entity", "date") if name in frame.columns]
    if not frame.height or not columns:
        return 0
    values = [*(name for name in key if name == "entity"), *columns]
    again = [~pl.struct(values).is_first_distinct()]
    if "date" in key and "entity" in key:
        again.append(~pl.struct(key).is_first_distinct())
    return int(frame.select(pl.any_horizontal(*again).sum()).item())


def coverage(frame: pl.DataFrame, reference: Universe | None) -> Coverage:
    """Who is there on the newest date of rows (date, entity, feature_date)."""
    present = set(_present(frame)["entity"].to_list())
    if reference is None:
        return Coverage(len(present), 1.0 if present else 0.0, (), ())
    known = set(reference.names)
    is_complete = len(known) == reference.count
    share = len(present) / reference.per_date if reference.per_date else 0.0
    return Coverage(
        entities=len(present),
        share=share,
        missing=tuple(sorted(known - present)[:NAMES_MAX]),
        unknown=tuple(sorted(present - known)[:NAMES_MAX]) if is_complete else (),
    )


def _present(frame: pl.DataFrame) -> pl.DataFrame:
    """The newest date's rows whose features are as new as any of the date before: an entity that vanished
    goes on with its last row.
    """
    newest = frame.filter(pl.col("date") == pl.col("date").max())
    if newest.is_empty() or "feature_date" not in frame.columns:
        return newest
    before = frame.filter(pl.col("date") < pl.col("date").max())
    bound = before.filter(pl.col("date") == pl.col("date").max())["feature_date"].max()
    return newest.filter(pl.col("feature_date") >= (newest["feature_date"].max() if bound is None else bound))


def sessions_since(newest: Mapping[str, date | None], sessions: pl.Series) -> dict[str, int]:
    """For each role how many sessions there were after its newest row; all of them without a row."""
    return {
        role: sessions.len() if day is None else int((sessions > day).sum()) for role, day in newest.items()
    }


def _is_constant(values: np.ndarray) -> bool:
    return values.size > 1 and bool((values == values[0]).all())
