"""R2, the as-of read, over frames of stored rows."""

from collections.abc import Sequence
from datetime import date, datetime

import polars as pl


def known_rows(
    rows: pl.LazyFrame,
    as_of: datetime | None,
    *,
    first: date | None = None,
    last: date | None = None,
    entities: Sequence[str] | None = None,
) -> pl.LazyFrame:
    """Rows known at `as_of` (inclusive), narrowed by key. A key is seen whole or not at all, so this may come
    first.
    """
    conditions: list[pl.Expr] = []
    if as_of is not None:
        conditions.append(pl.col("knowledge_date") <= as_of)
    if first is not None:
        conditions.append(pl.col("date") >= first)
    if last is not None:
        conditions.append(pl.col("date") <= last)
    if entities is not None:
        conditions.append(pl.col("entity").is_in(list(entities)))
    return rows.filter(*conditions) if conditions else rows


def collapsed(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a key: that of the greatest (knowledge_date, seq), unless it is a tombstone. Sorted by (date,
    entity).
    """
    ordered = rows.sort(
        "date", "entity", "knowledge_date", "seq", maintain_order=True
    )  # fast if nearly sorted
    newest = (pl.col("date") != pl.col("date").shift(-1)) | (pl.col("entity") != pl.col("entity").shift(-1))
    return ordered.filter(newest.fill_null(value=True) & (pl.col("op") != "D"))
