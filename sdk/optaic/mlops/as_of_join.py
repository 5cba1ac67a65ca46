"""Joins decisions to stored rows, each as of its own moment: filter on knowledge first, then join on date.

Joining on `date` first and filtering afterwards gives no value where a late row hides an earlier known one;
not filtering gives rows that nobody knew. Both are wrong, and as-of joins of libraries also disagree on ties:
here the greatest (knowledge_date, seq) of a key wins before anything is joined.
"""

from datetime import datetime, timedelta

import polars as pl

from optaic.mlops.point_in_time import positions, shifted

ROW_MODEL = ("entity", "date", "knowledge_date", "seq", "op")


def as_of_view(revisions: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The rows known at `as_of`: per (entity, date) the greatest (knowledge_date, seq), tombstones left out
    (R2).

    `revisions`: entity, date, knowledge_date, seq, op, values, one row a revision. `as_of`: a literal or a
    column. Returns entity, date, knowledge_date and the values, sorted by (date, entity).
    """
    known = revisions.filter(pl.col("knowledge_date") <= as_of).sort(
        "date", "entity", "knowledge_date", "seq"
    )
    newest = known.unique(["date", "entity"], keep="last", maintain_order=True)
    return newest.filter(pl.col("op") != "D").drop("seq", "op")


def as_of_join(
    decisions: pl.DataFrame,
    revisions: pl.DataFrame,
    sessions: pl.DataFrame,
    *,
    lag: int = 0,
    max_age: int | None = None,
) -> pl.DataFrame:
    """R2, R9 and R10 for many decisions at once: the newest row a decision may see.

    `decisions`: entity str, date Date (the decision session), decision_time Datetime(us, UTC). `revisions` as
    in `as_of_view`. A decision sees rows with `date <= session(date, -lag)` and `knowledge_date <=
    decision_time`, each key in its newest revision known then. Returns the decisions in their order with
    row_date, knowledge_date and the values added: null where there is no such row, values null where it is
    more than `max_age` sessions old.
    """
    values = [name for name in revisions.columns if name not in ROW_MODEL]
    newest_writes = revisions.sort("knowledge_date", "seq").unique(
        ["entity", "date", "knowledge_date"], keep="last", maintain_order=True
    )
    asked = decisions.with_row_index("__decision")
    found = _visible(_bounded(asked, newest_writes, sessions, lag), newest_writes)
    joined = asked.join(found, on="__decision", how="left", maintain_order="left")
    if max_age is not None:
        age = positions(sessions, joined["date"]) - positions(sessions, joined["row_date"])
        fresh = (age <= max_age).fill_null(value=False)
        joined = joined.with_columns(pl.when(fresh).then(pl.col(name)).alias(name) for name in values)
    return joined.select(*decisions.columns, "row_date", "knowledge_date", *values)


def _bounded(asked: pl.DataFrame, rows: pl.DataFrame, sessions: pl.DataFrame, lag: int) -> pl.DataFrame:
    """Decisions with the newest date that they could see at most: by the lag, and by what was known at
    all.
    """
    reach = rows.sort("knowledge_date").select(
        "entity", "knowledge_date", pl.col("date").cum_max().over("entity").alias("known_to")
    )
    wanted = asked.with_columns(shifted(sessions, asked["date"], -lag).alias("bound")).sort("decision_time")
    capped = wanted.join_asof(
        reach,
        left_on="decision_time",
        right_on="knowledge_date",
        by="entity",
        check_sortedness=False,
    ).filter(pl.col("known_to").is_not_null() & pl.col("bound").is_not_null())
    return capped.select(
        "__decision", "entity", "decision_time", pl.min_horizontal("bound", "known_to").alias("bound")
    )


def _visible(wanted: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Each decision's newest visible row; a key not yet known or deleted then sends it on to the date
    before.
    """
    keys = rows.select("entity", pl.col("date").alias("row_date")).unique().sort("row_date")
    versions = rows.rename({"date": "row_date"}).drop("seq").sort("knowledge_date")
    found: list[pl.DataFrame] = []
    while True:
        candidates = wanted.sort("bound").join_asof(
            keys, left_on="bound", right_on="row_date", by="entity", check_sortedness=False
        )
        seen = (
            candidates.filter(pl.col("row_date").is_not_null())
            .sort("decision_time")
            .join_asof(
                versions,
                left_on="decision_time",
                right_on="knowledge_date",
                by=["entity", "row_date"],
                check_sortedness=False,
            )
        )
        is_there = (pl.col("op") == "U").fill_null(value=False)
        found.append(seen.filter(is_there).drop("entity", "decision_time", "bound", "op"))
        hidden = seen.filter(~is_there)
        if hidden.is_empty():
            return pl.concat(found)
        wanted = hidden.select(
            "__decision", "entity", "decision_time", (pl.col("row_date") - timedelta(days=1)).alias("bound")
        )
