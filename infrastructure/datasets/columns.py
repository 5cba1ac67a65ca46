"""Brings an upload's columns to the row model and the declaration, or says which column does not fit."""

from collections.abc import Sequence

import polars as pl

from application.errors import (
    DatasetColumnMissing,
    DatasetColumnTypeWrong,
    DatasetColumnUnknown,
    DatasetOpUnknown,
)
from domain.dataset.declaration import Column
from domain.point_in_time import PitNaiveTimestamp
from infrastructure.datasets.frames import MOMENT, ROW_MODEL, value_schema

_TEXT = (pl.String, pl.Categorical, pl.Enum)
_SMALL = (pl.Int8, pl.Int16, pl.UInt8, pl.UInt16)
_WIDENS: dict[pl.DataType, tuple[type[pl.DataType], ...]] = {
    pl.Float64(): (pl.Float64, pl.Float32, pl.Int32, pl.UInt32, *_SMALL),
    pl.Float32(): (pl.Float32, *_SMALL),
    pl.Int64(): (pl.Int64, pl.Int32, pl.UInt32, *_SMALL),
    pl.Int32(): (pl.Int32, *_SMALL),
    pl.String(): _TEXT,
    pl.Boolean(): (pl.Boolean,),
    pl.Date(): (pl.Date,),
}
"""Column type → what is taken for it without loss; strings come from CSV and are parsed."""

_MOST_MILLIS = (2**63 - 1) // 1_000
_OFFSET = r"(?:[Zz]|[+-]\d{2}:?\d{2})$"
_MOMENT_TEXT = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:[Zz]|[+-]\d{2}:?\d{2})$"


def fitted(raw: pl.DataFrame, columns: Sequence[Column], *, parse: bool) -> pl.DataFrame:
    """The upload with the columns entity, date, knowledge_date, op and the declared ones, in stored types.

    `op` is U where it was not sent. `parse`: all columns are text (CSV). Raises DatasetColumnMissing,
    DatasetColumnUnknown, DatasetColumnTypeWrong, DatasetOpUnknown, PitNaiveTimestamp.
    """
    values = value_schema(columns)
    wanted = {name: ROW_MODEL[name] for name in ("entity", "date", "knowledge_date", "op")} | values
    _check_names(raw.columns, wanted)
    source = raw if "op" in raw.columns else raw.with_columns(pl.lit("U").alias("op"))
    if parse:
        source = source.with_columns(pl.col("entity").fill_null(""), pl.col("op").fill_null("U"))
    frame = pl.DataFrame([_fitted_column(source[name], kind, parse=parse) for name, kind in wanted.items()])
    unknown = frame.filter(~pl.col("op").is_in(["U", "D"]).fill_null(value=False))
    if not unknown.is_empty():
        raise DatasetOpUnknown(f"op is {unknown['op'][0]!r} in {unknown.height} rows")
    return frame


def _check_names(names: list[str], wanted: dict[str, pl.DataType]) -> None:
    if missing := [name for name in wanted if name not in names and name != "op"]:
        raise DatasetColumnMissing(f"column {missing[0]!r} is missing", columns=missing)
    if unknown := [name for name in names if name not in wanted]:
        raise DatasetColumnUnknown(f"column {unknown[0]!r} is not declared", columns=unknown)


def _fitted_column(column: pl.Series, kind: pl.DataType, *, parse: bool) -> pl.Series:
    if column.dtype == pl.Null():
        return column.cast(kind)
    if parse and kind != pl.String():
        return _parsed(column, kind)
    if kind == MOMENT:
        return _moments(column)
    if not isinstance(column.dtype, _WIDENS[kind]):
        raise _wrong_type(column, kind, f"holds {column.dtype}")
    return column.cast(kind)


def _moments(column: pl.Series) -> pl.Series:
    if not isinstance(column.dtype, pl.Datetime):
        raise _wrong_type(column, MOMENT, f"holds {column.dtype}")
    if column.dtype.time_zone is None:
        raise PitNaiveTimestamp(f"column {column.name!r} holds times without a zone", column=column.name)
    micros, is_exact = _micros(column.to_physical(), column.dtype.time_unit)  # UTC, whatever zone is shown
    if not is_exact:
        raise _wrong_type(column, MOMENT, "holds times that whole microseconds cannot hold")
    return micros.cast(MOMENT)


def _micros(units: pl.Series, unit: str) -> tuple[pl.Series, bool]:
    """Whole numbers of a unit as microseconds, and whether nothing was lost. Polars' own casts may
    overflow.
    """
    if unit == "ns":
        return units // 1_000, bool((units % 1_000 == 0).all())
    if unit == "ms":
        return units * 1_000, bool(units.is_between(-_MOST_MILLIS, _MOST_MILLIS).all())
    return units, True


def _parsed(column: pl.Series, kind: pl.DataType) -> pl.Series:
    """Text → stored type: ISO dates, RFC 3339 times with offset, true and false, plain numbers."""
    found = _parsed_or_null(column, kind)
    failed = column.is_not_null() & found.is_null()
    if failed.any():
        row = failed.arg_true()[0]
        raise _wrong_type(column, kind, f"row {row + 1} holds {column[row]!r}")
    return found


def _parsed_or_null(column: pl.Series, kind: pl.DataType) -> pl.Series:
    if kind == MOMENT:
        _refuse_naive(column)
        text = column.str.replace_all("[Zz]$", "+00:00").str.replace("[Tt ]", "T")
        exact = text.to_frame().select(pl.when(column.str.contains(_MOMENT_TEXT)).then(text)).to_series()
        return exact.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False).cast(MOMENT)
    if kind == pl.Date():
        return column.str.to_date("%Y-%m-%d", strict=False)
    if kind == pl.Boolean():
        return column.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean())
    return column.cast(kind, strict=False)


def _refuse_naive(column: pl.Series) -> None:
    naive = column.is_not_null() & ~column.str.contains(_OFFSET)
    if naive.any():
        row = naive.arg_true()[0]
        raise PitNaiveTimestamp(
            f"{column.name} {column[row]!r} in row {row + 1} has no offset", column=column.name
        )


def _wrong_type(column: pl.Series, kind: pl.DataType, problem: str) -> DatasetColumnTypeWrong:
    return DatasetColumnTypeWrong(f"column {column.name!r} is {kind}, but {problem}", column=column.name)
