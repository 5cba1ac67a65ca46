"""The row model as polars types: (entity, date, knowledge_date, seq, op, values...)."""

from collections.abc import Iterable

import polars as pl

from domain.dataset.declaration import Column, ColumnType

MOMENT = pl.Datetime("us", "UTC")
KEY = ("entity", "date")
ROW_MODEL: dict[str, pl.DataType] = {
    "entity": pl.String(),
    "date": pl.Date(),
    "knowledge_date": MOMENT,
    "seq": pl.Int64(),
    "op": pl.String(),
}
STORED_ORDER = ("date", "entity", "knowledge_date", "seq")
"""How rows lie in a file: by key, then oldest knowledge first."""

TYPES: dict[ColumnType, pl.DataType] = {
    "float64": pl.Float64(),
    "float32": pl.Float32(),
    "int64": pl.Int64(),
    "int32": pl.Int32(),
    "string": pl.String(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": MOMENT,
}


def value_schema(columns: Iterable[Column]) -> dict[str, pl.DataType]:
    """Declared columns and their polars types, in declared order."""
    return {column.name: TYPES[column.type] for column in columns}


def row_text(rows: pl.DataFrame, index: int) -> str:
    """The key of a row as `date/entity`, to name it in an error."""
    return f"{rows['date'][index]}/{rows['entity'][index]}"
