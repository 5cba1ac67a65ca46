"""Nulls and gaps of as-of frames (R7): a null says "known to be unknown", a missing row "not yet known"."""

from dataclasses import dataclass

import polars as pl


def latest(rows: pl.DataFrame, *, fill_nulls: bool = False) -> pl.DataFrame:
    """R7: each entity's newest row of an as-of frame. A null stays null unless `fill_nulls` takes the last
    value.
    """
    ordered = rows.sort("entity", "date")
    values = [name for name in rows.columns if name not in ("entity", "date", "knowledge_date")]
    if fill_nulls:
        ordered = ordered.with_columns(pl.col(values).forward_fill().over("entity"))
    return ordered.group_by("entity", maintain_order=True).last()


def filled(
    rows: pl.DataFrame, dates: pl.Series, *, fill_nulls: bool = False, fill_missing: bool = False
) -> pl.DataFrame:
    """R7: an as-of frame on the given dates. Neither known nulls nor missing rows are filled unless stated.

    `fill_missing` adds an entity's absent dates after its first row, with its last row's values (null stays
    null).
    """
    values = [name for name in rows.columns if name not in ("entity", "date", "knowledge_date")]
    ordered = rows.sort("date", "entity")
    if fill_nulls:
        ordered = ordered.with_columns(pl.col(values).forward_fill().over("entity"))
    on_dates = ordered.filter(pl.col("date").is_in(dates.implode()))
    if not fill_missing:
        return on_dates
    grid = (
        dates.unique()
        .to_frame("date")
        .join(rows.select("entity").unique(), how="cross")
        .sort("date", "entity")
    )
    found = grid.join_asof(ordered, on="date", by="entity", strategy="backward", check_sortedness=False)
    return found.filter(pl.col("knowledge_date").is_not_null()).select(rows.columns)


@dataclass(frozen=True)
class Coverage:
    """How many of the expected (date, entity) rows are there (`present`, of them `null`) and how many are
    not.
    """

    present: int
    null: int
    missing: int


def coverage(rows: pl.DataFrame, column: str, dates: pl.Series, entities: pl.Series) -> Coverage:
    """R7: a row with null is present and null; no row is missing. Counts over dates x entities."""
    expected = pl.DataFrame({"date": dates.unique()}).join(
        pl.DataFrame({"entity": entities.unique()}), how="cross"
    )
    there = expected.join(rows.select("date", "entity", column), on=["date", "entity"], how="inner")
    return Coverage(there.height, there[column].null_count(), expected.height - there.height)
