"""Who was in the universe at each decision (R11): a bitemporal list of entities, read as of that decision."""

from collections.abc import Mapping
from datetime import date, datetime

import polars as pl

MOMENT = pl.Datetime("us", "UTC")


def members(revisions: pl.DataFrame, decisions: Mapping[date, datetime]) -> pl.DataFrame:
    """(date, entity) of every decision and each entity that had a row then; entity is an Enum of all names.

    `revisions`: entity, date, knowledge_date, seq and op of every stored row. By R2 a key is there from when
    a `U` is known until a `D` is; an entity is in as long as one of its keys is there. Instead of a read a
    decision, keys that came and went are added up along the knowledge clock.
    """
    moments = pl.DataFrame(
        {"date": list(decisions), "at": list(decisions.values())}, schema={"date": pl.Date(), "at": MOMENT}
    ).sort("at")
    counts = _counts(revisions)
    first = moments["at"].min()
    moving = counts.filter(pl.col("at") > first).select("entity").unique()
    standing = counts.join(moving, on="entity", how="anti").group_by("entity").agg(pl.col("keys").last())
    always = moments.select("date").join(
        standing.filter(pl.col("keys") > 0).select("entity").sort("entity"),
        how="cross",
        maintain_order="left_right",
    )
    asked = moments.join(moving, how="cross").sort("at")
    found = asked.join_asof(counts, on="at", by="entity", strategy="backward", check_sortedness=False)
    return pl.concat([always, found.filter(pl.col("keys") > 0).select("date", "entity")])


def _counts(revisions: pl.DataFrame) -> pl.DataFrame:
    """entity, at, keys: how many keys an entity has from that moment on; in the order of the moments."""
    key = ("entity", "date")
    names = pl.Enum(revisions["entity"].unique().sort())
    rows = revisions.select(*key, "knowledge_date", "seq", "op").sort(*key, "knowledge_date", "seq")
    there = rows.with_columns(
        pl.col("knowledge_date").shift(-1).over(key).alias("until"), pl.col("op") == "U"
    ).filter("op")
    came = there.select("entity", pl.col("knowledge_date").alias("at"), pl.lit(1).alias("change"))
    went = there.select("entity", pl.col("until").alias("at"), pl.lit(-1).alias("change")).drop_nulls("at")
    changes = pl.concat([came, went]).group_by("entity", "at").agg(pl.col("change").sum()).sort("at")
    counted = changes.select("entity", "at", pl.col("change").cum_sum().over("entity").alias("keys"))
    return counted.with_columns(pl.col("entity").cast(names))
