"""The demonstration's datasets: real figures from installed packages in the point-in-time row model.

Each frame has entity str, date Date (a period's last day), knowledge_date Datetime(us, UTC) and the declared
value columns, sorted by (date, entity). Nothing is downloaded and no data package is imported: their files
are read in place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import polars as pl

from domain.dataset.declaration import Column, Declaration
from infrastructure.calendars import ExchangeSessions
from infrastructure.demo.entities import CENTRAL_INDEX_KEYS, entity_of
from infrastructure.demo.packaged_files import packaged_file
from infrastructure.demo.recessions import RECESSIONS

MOMENT = pl.Datetime("us", "UTC")
MACRO_RELEASE_DAYS = 30
RELEASE_TIME = time(12, 30, tzinfo=UTC)
VINTAGES = (date(2016, 6, 29), date(2016, 7, 29))
VINTAGE_FOLDER = "tsa/statespace/tests/results/frbny_nowcast/Nowcasting/data/US"


@dataclass(frozen=True)
class DemoDataset:
    """A dataset of the demonstration: what it declares, and the rows of each of its versions in order."""

    name: str
    declaration: Declaration
    uploads: tuple[pl.DataFrame, ...]


def us_prices() -> DemoDataset:
    """Adjusted closes (USD) of 20 large US companies, 1990-01-02 to 2022-12-28: 166,260 rows.

    Columns: symbol str (ticker at the end of 2022, for readers only), close Float64.
    """
    wide = _packaged_csv("skfolio", "datasets/data/sp500_dataset.csv.gz")
    entities = {symbol: entity_of(symbol) for symbol in CENTRAL_INDEX_KEYS}
    long = wide.unpivot(index="Date", variable_name="symbol", value_name="close").select(
        pl.col("symbol").replace_strict(entities).alias("entity"),
        pl.col("Date").alias("date"),
        "symbol",
        "close",
    )
    declaration = Declaration(
        columns=(Column(name="symbol", type="string"), Column(name="close", type="float64")),
        calendar="XNYS",
        knowledge_rule="A rule, not a fact: each close counts as known at the close of its XNYS session.",
        restated=True,
        survivorship=True,
        description="Adjusted daily closes of 20 companies large in 2022 (skfolio); entity: SEC index key.",
        tags=("real", "restated", "survivorship"),
    )
    return DemoDataset("us-prices", declaration, (_known_at_close(long),))


def us_index() -> DemoDataset:
    """Closes of the S&P 500 index on the same days as `us_prices`: 8,313 rows. Columns: close Float64."""
    wide = _packaged_csv("skfolio", "datasets/data/sp500_index.csv.gz")
    rows = wide.select(
        pl.lit("sp500").alias("entity"), pl.col("Date").alias("date"), pl.col("SP500").alias("close")
    )
    declaration = Declaration(
        columns=(Column(name="close", type="float64"),),
        calendar="XNYS",
        knowledge_rule="A rule, not a fact: each close counts as known at the close of its XNYS session.",
        description="Daily closes of the S&P 500 index (skfolio).",
        tags=("real",),
    )
    return DemoDataset("us-index", declaration, (_known_at_close(rows),))


def us_macro_q() -> DemoDataset:
    """US quarterly macro figures, 1959Q1 to 2009Q3, one vintage: 203 rows, 12 Float64 columns."""
    wide = pl.read_csv(
        packaged_file("statsmodels", "datasets/macrodata/macrodata.csv"), infer_schema_length=None
    )
    quarter_end = pl.date(
        pl.col("year").cast(pl.Int32), pl.col("quarter").cast(pl.Int32) * 3, 1
    ).dt.month_end()
    values = [name for name in wide.columns if name not in ("year", "quarter")]
    rows = wide.select(pl.lit("").alias("entity"), quarter_end.alias("date"), pl.col(values).cast(pl.Float64))
    declaration = Declaration(
        columns=tuple(Column(name=name, type="float64") for name in values),
        knowledge_rule="A rule, not a fact: known 30 days after the quarter's end at 12:30 UTC. "
        "The figures themselves are one vintage, that of December 2009.",
        restated=True,
        description="US quarterly macro figures (statsmodels): GDP in billions of 2005 USD, rates in %.",
        tags=("real", "restated"),
    )
    return DemoDataset("us-macro-q", declaration, (_known_after_days(rows, MACRO_RELEASE_DAYS),))


def us_macro_v() -> DemoDataset:
    """29 US macro series in two observed vintages: 8,653 rows, then the 108 revised or new a month later.

    Entity: the series' FRED code. Columns: value Float64.
    """
    first, second = (_vintage(day) for day in VINTAGES)
    changed = second.join(first.drop("knowledge_date"), on=["entity", "date", "value"], how="anti")
    declaration = Declaration(
        columns=(Column(name="value", type="float64"),),
        early_days=2,
        knowledge_rule="Observed: the day of the first snapshot with the figure. 12:30 UTC is a convention.",
        description="New York Fed nowcasting data, snapshots of 2016-06-29 and 2016-07-29 (statsmodels).",
        tags=("real", "vintages"),
    )
    return DemoDataset("us-macro-v", declaration, (first, changed.sort("date", "entity")))


def us_recessions() -> DemoDataset:
    """NBER recessions, 1960 to 2009: 8 rows, one a recession, `date` its last quarter's last day.

    Columns: after Date (last day of the peak's quarter: the recession begins the day after it), announced
    Date or null (when the committee announced the trough).
    """
    rows = pl.DataFrame(
        {
            "entity": [""] * len(RECESSIONS),
            "date": [recession.trough_quarter_end for recession in RECESSIONS],
            "after": [recession.peak_quarter_end for recession in RECESSIONS],
            "announced": [recession.trough_announced for recession in RECESSIONS],
        }
    )
    declaration = Declaration(
        columns=(Column(name="after", type="date"), Column(name="announced", type="date")),
        knowledge_rule="A rule, not a fact: known 30 days after the last quarter's end at 12:30 UTC, as "
        "macro figures are. The committee announced the troughs later (column announced), so judging by "
        "these dates is hindsight.",
        description="Recessions typed in as facts from the NBER's chronology. Outcomes only, never features.",
        tags=("outcomes",),
    )
    return DemoDataset("us-recessions", declaration, (_known_after_days(rows, MACRO_RELEASE_DAYS),))


LOADERS: tuple[Callable[[], DemoDataset], ...] = (us_prices, us_index, us_macro_q, us_macro_v, us_recessions)
"""All datasets of the demonstration, in the order in which it tells of them."""


def _packaged_csv(package: str, relative: str) -> pl.DataFrame:
    return pl.read_csv(packaged_file(package, relative), try_parse_dates=True)


def _known_at_close(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds the close of each row's own XNYS session."""
    days = rows["date"].unique().sort().to_list()
    schema = {"date": pl.Date(), "knowledge_date": MOMENT}
    closes = pl.DataFrame(ExchangeSessions().closes("XNYS", days[0], days[-1]), schema=schema, orient="row")
    return _in_row_order(rows.join(closes, on="date", how="left", validate="m:1"))


def _known_after_days(rows: pl.DataFrame, days: int) -> pl.DataFrame:
    release = (pl.col("date") + pl.duration(days=days)).dt.combine(RELEASE_TIME.replace(tzinfo=None), "us")
    return _in_row_order(rows.with_columns(release.dt.replace_time_zone("UTC").alias("knowledge_date")))


def _vintage(day: date) -> pl.DataFrame:
    """All values of one snapshot; the source labels a month by its first day, our date is its last."""
    wide = pl.read_csv(packaged_file("statsmodels", f"{VINTAGE_FOLDER}/{day}.csv"), infer_schema_length=None)
    long = wide.unpivot(index="Date", variable_name="entity", value_name="value").drop_nulls("value")
    period_end = pl.col("Date").str.to_date("%m/%d/%y").dt.month_end()
    known = datetime.combine(day, RELEASE_TIME)
    rows = long.select("entity", period_end.alias("date"), pl.col("value").cast(pl.Float64))
    return _in_row_order(rows.with_columns(pl.lit(known, MOMENT).alias("knowledge_date")))


def _in_row_order(rows: pl.DataFrame) -> pl.DataFrame:
    key = ("entity", "date", "knowledge_date")
    return rows.select(*key, pl.exclude(key)).sort("date", "entity")
