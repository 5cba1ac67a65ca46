"""One measure a contract kind: from a frame (date, entity, columns) to counts, extremes and keys."""

import math
from dataclasses import dataclass

import polars as pl

from domain.guardrails import regime_probabilities, signal_bounds, signal_coverage, signal_schema

KEYS_SHOWN = 20
_TYPES: dict[str, pl.DataType] = {
    "float64": pl.Float64(),
    "float32": pl.Float32(),
    "int64": pl.Int64(),
    "int32": pl.Int32(),
    "string": pl.String(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What was seen: rows (or dates) that break the limit, named figures, the first keys as `date/entity`."""

    breaching: int
    observed: dict[str, float]
    keys: tuple[str, ...] = ()


def bounds(config: signal_bounds.Config, frame: pl.DataFrame, _expected: int | None) -> Figures:
    """Rows whose value is missing or outside [low, high]; a missing column breaks every row, at least one."""
    if config.column not in frame.columns or not frame.schema[config.column].is_numeric():
        return Figures(max(frame.height, 1), {}, _keys(frame))
    values = pl.col(config.column).cast(pl.Float64)
    inside = values.is_between(config.low, config.high) & values.is_not_nan()
    broken = frame.filter(~inside.fill_null(value=False))
    return Figures(broken.height, _extremes(frame[config.column]), _keys(broken))


def schema(config: signal_schema.Config, frame: pl.DataFrame, _expected: int | None) -> Figures:
    """Missing columns, other types, repeated (date, entity), rows with a null."""
    missing = [name for name in config.columns if name not in frame.columns]
    other = [
        name
        for name, kind in config.columns.items()
        if name in frame.columns and frame.schema[name] != _TYPES[kind]
    ]
    repeated = frame.filter(pl.struct("date", "entity").is_duplicated())
    present = [name for name in config.columns if name in frame.columns]
    nulls = (
        frame.clear()
        if config.nulls or not present
        else frame.filter(pl.any_horizontal(pl.col(present).is_null()))
    )
    observed = {
        "missing_columns": float(len(missing)),
        "columns_of_another_type": float(len(other)),
        "rows_with_a_repeated_key": float(repeated.height),
        "rows_with_a_null": float(nulls.height),
    }
    return Figures(repeated.height + nulls.height, observed, _keys(pl.concat([repeated, nulls])))


def coverage(config: signal_coverage.Config, frame: pl.DataFrame, expected: int | None) -> Figures:
    """Dates on which fewer than `at_least` of the expected entities have a value."""
    wanted = config.entities if config.entities is not None else expected
    if config.column is not None and config.column not in frame.columns:
        return Figures(1, {"dates": 0.0, "expected": float(wanted or 0)})
    valued = frame if config.column is None else frame.with_columns(_valued=_is_valued(frame, config.column))
    counted = pl.col("entity") if config.column is None else pl.col("entity").filter(pl.col("_valued"))
    dates = valued.group_by("date").agg(entities=counted.n_unique()).sort("date")
    target = wanted if wanted is not None else _largest(dates)
    short = dates.filter(pl.col("entities") < math.ceil(target * config.at_least - 1e-9))
    observed = {"dates": float(dates.height), "expected": float(target)}
    if dates.height:
        counts = dates["entities"].to_list()
        observed |= {"minimum": float(min(counts)), "maximum": float(max(counts))}
    keys = tuple(f"{day}/" for day in short["date"].head(KEYS_SHOWN).to_list())
    return Figures(short.height, observed, keys)


def probabilities(config: regime_probabilities.Config, frame: pl.DataFrame, _expected: int | None) -> Figures:
    """Rows whose probabilities are missing, outside [0, 1] or do not sum to 1."""
    if any(name not in frame.columns or not frame.schema[name].is_numeric() for name in config.columns):
        return Figures(max(frame.height, 1), {}, _keys(frame))
    columns = [pl.col(name).cast(pl.Float64) for name in config.columns]
    error = (pl.sum_horizontal(columns, ignore_nulls=False) - 1.0).abs()
    inside = pl.all_horizontal(
        column.is_between(-config.tolerance, 1.0 + config.tolerance) for column in columns
    )
    checked = frame.with_columns(
        _error=error, _ok=((error <= config.tolerance) & inside).fill_null(value=False)
    )
    broken = checked.filter(~pl.col("_ok"))
    finite = checked["_error"].drop_nulls().drop_nans().to_list()
    observed = {"largest_error": max(finite)} if finite else {}
    return Figures(broken.height, observed, _keys(broken))


def _is_valued(frame: pl.DataFrame, column: str) -> pl.Expr:
    value = pl.col(column)
    return (
        value.is_not_null() & value.is_not_nan() if frame.schema[column].is_float() else value.is_not_null()
    )


def _largest(dates: pl.DataFrame) -> int:
    return max(dates["entities"].to_list(), default=0)


def _extremes(values: pl.Series) -> dict[str, float]:
    """Smallest and largest finite value; nothing when there is none."""
    numbers = values.cast(pl.Float64)
    finite = numbers.filter(numbers.is_finite().fill_null(value=False))
    if finite.is_empty():
        return {}
    low, high = finite.min(), finite.max()
    assert isinstance(low, float)
    assert isinstance(high, float)
    return {"minimum": low, "maximum": high}


def _keys(frame: pl.DataFrame) -> tuple[str, ...]:
    rows = frame.sort("date", "entity").head(KEYS_SHOWN).select("date", "entity").rows()
    return tuple(f"{day}/{entity}" for day, entity in rows)
