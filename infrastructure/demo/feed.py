"""A copy of the prices in which the demonstration makes a fault up: eight closes stand still for months."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from domain.dataset.declaration import Column, Declaration
from infrastructure.demo.entities import entity_of

STUCK = tuple(map(entity_of, ("AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ")))
FIRST, TRUE_UNTIL, FAULT_ENDS = date(2019, 1, 2), date(2021, 12, 31), date(2022, 4, 29)
REPAIRED_AT = datetime(2022, 5, 2, 12, tzinfo=UTC)
DECLARATION = Declaration(
    columns=(Column(name="close", type="float64"),),
    calendar="XNYS",
    knowledge_rule="As us-prices; the repaired closes count as known on 2022-05-02 at 12:00 UTC.",
    restated=True,
    survivorship=True,
    description="A copy of us-prices from 2019 on. The demonstration made a fault up in it and repaired it.",
    tags=("made-up", "restated", "survivorship"),
)
_COLUMNS = ("entity", "date", "knowledge_date", "close")


@dataclass(frozen=True)
class Feed:
    """The three uploads: entity, date, knowledge_date and close, in (date, entity) order."""

    true: pl.DataFrame
    """Up to the end of 2021, as they are."""
    faulty: pl.DataFrame
    """Four months in which the stuck stocks repeat their last close of 2021."""
    repaired: pl.DataFrame
    """The true closes of those stocks and months, known later, and everything after them."""


def feed(prices: pl.DataFrame) -> Feed:
    """Cut the uploads out of the rows of `us-prices`."""
    rows = prices.select(_COLUMNS).filter(pl.col("date") >= FIRST).sort("date", "entity")
    true = rows.filter(pl.col("date") <= TRUE_UNTIL)
    months = rows.filter(pl.col("date").is_between(TRUE_UNTIL, FAULT_ENDS, closed="right"))
    is_stuck = pl.col("entity").is_in(STUCK)
    last = true.filter(pl.col("date") == TRUE_UNTIL).select("entity", pl.col("close").alias("last"))
    close = pl.when(is_stuck).then("last").otherwise("close").alias("close")
    faulty = months.join(last, on="entity", maintain_order="left").with_columns(close).select(_COLUMNS)
    known = pl.lit(REPAIRED_AT, pl.Datetime("us", "UTC")).alias("knowledge_date")
    after = rows.filter(pl.col("date") > FAULT_ENDS)
    return Feed(true, faulty, pl.concat([months.filter(is_stuck).with_columns(known), after]))
