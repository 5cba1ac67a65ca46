"""The rules that an upload's rows must keep: keys, values, knowledge dates (R4, R5, R7, R8 and the limits of
writes).
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import polars as pl

from application.errors import (
    DatasetDateOutOfRange,
    DatasetKeyNull,
    DatasetRowDuplicated,
    DatasetTombstoneWithValues,
    DatasetValueNotFinite,
)
from domain.dataset.declaration import Declaration
from domain.point_in_time import (
    check_knowledge_not_in_future,
    check_not_a_forecast,
    check_not_backdated,
    earliest_knowledge,
)
from infrastructure.datasets.frames import MOMENT, row_text

FIRST_DAY = date(1800, 1, 1)
LAST_DAY = date(2200, 12, 31)


def check_rows(rows: pl.DataFrame, declaration: Declaration, zone: ZoneInfo, written_at: datetime) -> None:
    """Every rule that does not need what is stored. Raises the `dataset.*` and `pit.*` errors, naming the
    first row.
    """
    _check_keys(rows)
    _check_values(rows, [column.name for column in declaration.columns])
    newest = rows["knowledge_date"].arg_max()
    assert newest is not None
    check_knowledge_not_in_future(rows["knowledge_date"][newest], written_at, row_text(rows, newest))
    _check_no_forecasts(rows, declaration, zone)


def check_high_water(rows: pl.DataFrame, high_water: datetime | None) -> None:
    """R5 for a write that is not a backfill. Raises PitBackdatedWrite for the oldest row."""
    oldest = rows["knowledge_date"].arg_min()
    assert oldest is not None
    check_not_backdated(rows["knowledge_date"][oldest], high_water, row_text(rows, oldest))


def _check_keys(rows: pl.DataFrame) -> None:
    key = ["entity", "date", "knowledge_date"]
    for name in key:
        if rows[name].null_count():
            row = rows[name].is_null().arg_true()[0]
            raise DatasetKeyNull(
                f"{name} is null in {rows[name].null_count()} rows, first in row {row + 1}", column=name
            )
    _check_range(rows)
    repeated = rows.select(key).is_duplicated()
    if repeated.any():
        row = repeated.arg_true()[0]
        raise DatasetRowDuplicated(
            f"{row_text(rows, row)} known {rows['knowledge_date'][row].isoformat()} is there more than once",
            key=row_text(rows, row),
            rows=int(repeated.sum()),
        )


def _check_range(rows: pl.DataFrame) -> None:
    """Beyond these years dates are wrong, and neither Python nor polars' own conversions can hold all that
    fits into a column: so days are counted as plain numbers.
    """
    for name, units_a_day in (("date", 1), ("knowledge_date", 86_400_000_000)):
        days = rows[name].to_physical().cast(pl.Int64()) // units_a_day
        outside = (days < _days(FIRST_DAY)) | (days > _days(LAST_DAY))
        if outside.any():
            row = outside.arg_true()[0]
            raise DatasetDateOutOfRange(f"{name} is {_day_text(days[row])} in row {row + 1}", column=name)


def _days(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _day_text(days: int) -> str:
    ordinal = date(1970, 1, 1).toordinal() + days
    inside = date.min.toordinal() <= ordinal <= date.max.toordinal()
    return date.fromordinal(ordinal).isoformat() if inside else f"day {days} from 1970 on"


def _check_values(rows: pl.DataFrame, names: list[str]) -> None:
    for name in names:
        column = rows[name]
        if column.dtype.is_float():
            _check_finite(rows, column)
    buried = rows["op"] == "D"
    if not buried.any():
        return
    stated = rows.select(pl.any_horizontal(pl.col(names).is_not_null())).to_series() & buried
    if stated.any():
        row = stated.arg_true()[0]
        raise DatasetTombstoneWithValues(
            f"{row_text(rows, row)} has op D and values", key=row_text(rows, row)
        )


def _check_finite(rows: pl.DataFrame, column: pl.Series) -> None:
    broken = ~column.is_finite().fill_null(value=True)
    if broken.any():
        row = broken.arg_true()[0]
        raise DatasetValueNotFinite(
            f"{column.name} is {column[row]} for {row_text(rows, row)}, one of {broken.sum()} rows",
            column=column.name,
            key=row_text(rows, row),
            rows=int(broken.sum()),
        )


def _check_no_forecasts(rows: pl.DataFrame, declaration: Declaration, zone: ZoneInfo) -> None:
    """R8, with the earliest moment worked out once a date."""
    if declaration.forward_looking:
        return
    days = rows["date"].unique()
    earliest = [earliest_knowledge(day, zone, declaration.early_days) for day in days.to_list()]
    limits = pl.DataFrame({"date": days, "earliest": pl.Series(earliest, dtype=MOMENT)})
    early = rows.join(limits, on="date", how="left", maintain_order="left").filter(
        pl.col("knowledge_date") < pl.col("earliest")
    )
    if early.is_empty():
        return
    check_not_a_forecast(
        early["date"][0],
        early["knowledge_date"][0],
        zone=zone,
        early_days=declaration.early_days,
        forward_looking=False,
        key=row_text(early, 0),
    )
