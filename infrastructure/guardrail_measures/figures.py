"""What measures share: the figures' form, the first offending keys, and repeated keys found fast."""

from dataclasses import dataclass

import polars as pl

KEYS_SHOWN = 20
TYPES: dict[str, pl.DataType] = {
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
    rows: int | None = None
    """How many rows were looked at; None: the output's."""


def first_keys(frame: pl.DataFrame) -> tuple[str, ...]:
    """The first keys in order, each once."""
    keys = frame.select("date", "entity")
    rows = keys.unique().sort("date", "entity").head(KEYS_SHOWN).rows()
    return tuple(f"{day}/{entity}" for day, entity in rows)


def repeated(frame: pl.DataFrame) -> pl.Series:
    """Which rows share their (date, entity) with another row. Rows in the order of their keys, as runs hand
    them over, are compared with their neighbours only.
    """
    day, entity = pl.col("date"), pl.col("entity")
    after = (day > day.shift()) | ((day == day.shift()) & (entity > entity.shift()))
    if frame.height and frame.select(after.fill_null(value=True).all()).item():
        return pl.repeat(value=False, n=frame.height, eager=True)
    return frame.select(pl.struct("date", "entity").is_duplicated()).to_series()


def is_number(column: str) -> pl.Expr:
    """The value is there and finite."""
    return pl.col(column).cast(pl.Float64).is_finite().fill_null(value=False)


def is_valued(frame: pl.DataFrame, column: str) -> pl.Expr:
    """The value is there; NaN is none."""
    value = pl.col(column)
    return (
        value.is_not_null() & value.is_not_nan() if frame.schema[column].is_float() else value.is_not_null()
    )


def extremes(values: pl.Series) -> dict[str, float]:
    """Smallest and largest finite value; nothing when there is none."""
    numbers = values.cast(pl.Float64)
    finite = numbers.filter(numbers.is_finite().fill_null(value=False))
    if finite.is_empty():
        return {}
    low, high = finite.min(), finite.max()
    assert isinstance(low, float)
    assert isinstance(high, float)
    return {"minimum": low, "maximum": high}
