"""The demonstration's rows: counts, knowledge times and the published facts that must come out of them."""

import math
from datetime import UTC, date, datetime
from itertools import pairwise

import polars as pl
import pytest

from infrastructure.demo import sources
from infrastructure.demo.entities import CENTRAL_INDEX_KEYS
from infrastructure.demo.packaged_files import DemoDataMissing, packaged_file
from infrastructure.demo.recessions import RECESSIONS

TYPES = {"float64": pl.Float64, "string": pl.String, "date": pl.Date}


@pytest.fixture(scope="module")
def datasets() -> dict[str, sources.DemoDataset]:
    return {dataset.name: dataset for dataset in (load() for load in sources.LOADERS)}


def known(dataset: sources.DemoDataset, as_of: datetime) -> dict[tuple[str, date], float]:
    """R2 by plain dictionaries: later knowledge replaces earlier."""
    rows = pl.concat(dataset.uploads).filter(pl.col("knowledge_date") <= as_of).sort("knowledge_date")
    return {(entity, day): value for entity, day, _, value in rows.iter_rows()}


def gdp_growth(dataset: sources.DemoDataset, quarter_end: date, before: date, as_of: datetime) -> float:
    """Annualised log change in %."""
    values = known(dataset, as_of)
    return 400 * math.log(values["GDPC1", quarter_end] / values["GDPC1", before])


def test_row_counts_are_those_of_the_source_files(datasets: dict[str, sources.DemoDataset]):
    counts = {name: [rows.height for rows in dataset.uploads] for name, dataset in datasets.items()}
    assert counts == {
        "us-prices": [166_260],
        "us-index": [8_313],
        "us-macro-q": [203],
        "us-macro-v": [8_653, 108],
        "us-recessions": [8],
    }


def test_every_frame_is_in_the_declared_row_model(datasets: dict[str, sources.DemoDataset]):
    for dataset in datasets.values():
        declared = {column.name: TYPES[column.type] for column in dataset.declaration.columns}
        row_model = {"entity": pl.String, "date": pl.Date, "knowledge_date": pl.Datetime("us", "UTC")}
        for rows in dataset.uploads:
            assert dict(rows.schema) == row_model | declared
            assert rows.equals(rows.sort("date", "entity"))
            assert rows.select("entity", "date", "knowledge_date").is_unique().all()
            assert rows.select("entity", "date", "knowledge_date").null_count().sum_horizontal().item() == 0


def test_every_dataset_says_how_its_knowledge_dates_came_about(datasets: dict[str, sources.DemoDataset]):
    rules = {name: dataset.declaration.knowledge_rule for name, dataset in datasets.items()}
    assert rules.pop("us-macro-v").startswith("Observed")
    assert all(rule.startswith("A rule, not a fact") for rule in rules.values())


def test_prices_are_declared_restated_survivors(datasets: dict[str, sources.DemoDataset]):
    declaration = datasets["us-prices"].declaration
    assert declaration.restated
    assert declaration.survivorship
    assert {"restated", "survivorship"} <= set(declaration.tags)


def test_prices_and_index_equal_what_their_package_loads(datasets: dict[str, sources.DemoDataset]):
    from skfolio.datasets import load_sp500_dataset, load_sp500_index

    prices, index = load_sp500_dataset(), load_sp500_index()
    rows = datasets["us-prices"].uploads[0].sort("symbol", "date")
    assert rows["close"].to_list() == [value for symbol in sorted(prices) for value in prices[symbol]]
    assert datasets["us-index"].uploads[0]["close"].to_list() == index["SP500"].to_list()
    assert (rows["date"].min(), rows["date"].max()) == (date(1990, 1, 2), date(2022, 12, 28))


def test_an_entity_is_a_permanent_id_and_never_a_ticker(datasets: dict[str, sources.DemoDataset]):
    entities = set(datasets["us-prices"].uploads[0]["entity"].unique())
    assert len(entities) == len(CENTRAL_INDEX_KEYS) == 20
    assert entities.isdisjoint(CENTRAL_INDEX_KEYS)


@pytest.mark.parametrize(
    ("day", "close"),
    [
        (date(2020, 12, 31), datetime(2020, 12, 31, 21, 0, tzinfo=UTC)),
        (date(2020, 7, 1), datetime(2020, 7, 1, 20, 0, tzinfo=UTC)),
        (date(2020, 12, 24), datetime(2020, 12, 24, 18, 0, tzinfo=UTC)),
    ],
    ids=["winter", "summer", "early close"],
)
def test_a_close_is_known_when_its_session_closes(
    datasets: dict[str, sources.DemoDataset], day: date, close: datetime
):
    for name in ("us-prices", "us-index"):
        rows = datasets[name].uploads[0].filter(pl.col("date") == day)
        assert set(rows["knowledge_date"]) == {close}


def test_quarters_are_dated_by_their_last_day_and_known_thirty_days_later(
    datasets: dict[str, sources.DemoDataset],
):
    rows = datasets["us-macro-q"].uploads[0]
    assert (rows["date"][0], rows["date"][-1]) == (date(1959, 3, 31), date(2009, 9, 30))
    assert rows["knowledge_date"][-1] == datetime(2009, 10, 30, 12, 30, tzinfo=UTC)


def test_quarterly_figures_equal_what_their_package_loads(datasets: dict[str, sources.DemoDataset]):
    from statsmodels.datasets import macrodata

    loaded = macrodata.load_pandas().data
    assert loaded is not None
    rows = datasets["us-macro-q"].uploads[0]
    assert all(rows[name].to_list() == loaded[name].to_list() for name in rows.columns[3:])


def test_the_second_vintage_revises_85_values_and_adds_23(datasets: dict[str, sources.DemoDataset]):
    first, second = datasets["us-macro-v"].uploads
    revised = second.join(first, on=["entity", "date"], how="semi").height
    assert (revised, second.height - revised, first["entity"].n_unique()) == (85, 23, 29)


def test_no_vintage_row_is_earlier_than_its_declared_early_days(datasets: dict[str, sources.DemoDataset]):
    early = datasets["us-macro-v"].declaration.early_days
    rows = pl.concat(datasets["us-macro-v"].uploads)
    days = (rows["date"] - rows["knowledge_date"].dt.date()).dt.total_days()
    assert days.max() == early == 2


@pytest.mark.parametrize(
    ("quarter_end", "before", "june", "july"),
    [
        (date(2016, 3, 31), date(2015, 12, 31), 1.07, 0.83),
        (date(2015, 6, 30), date(2015, 3, 31), 3.85, 2.58),
    ],
)
def test_gdp_growth_is_what_each_vintage_said(
    datasets: dict[str, sources.DemoDataset], quarter_end: date, before: date, june: float, july: float
):
    vintages = datasets["us-macro-v"]
    growth = [
        gdp_growth(vintages, quarter_end, before, as_of)
        for as_of in (datetime(2016, 7, 1, tzinfo=UTC), datetime(2016, 8, 1, tzinfo=UTC))
    ]
    assert [round(value, 2) for value in growth] == [june, july]


def test_payrolls_are_those_of_the_point_in_time_rules(datasets: dict[str, sources.DemoDataset]):
    months = (date(2016, 4, 30), date(2016, 5, 31))

    def read(as_of: datetime) -> list[float]:
        return [known(datasets["us-macro-v"], as_of)["PAYEMS", month] for month in months]

    assert read(datetime(2016, 7, 29, 12, 29, 59, tzinfo=UTC)) == [143_856, 143_894]
    assert read(datetime(2016, 7, 29, 12, 30, tzinfo=UTC)) == [143_877, 143_888]


def test_recessions_do_not_overlap_and_were_announced_after_their_end():
    for recession, following in pairwise(RECESSIONS):
        assert recession.peak_quarter_end < recession.trough_quarter_end < following.peak_quarter_end
    assert all(r.trough_announced > r.trough_quarter_end for r in RECESSIONS if r.trough_announced)


def test_a_file_that_a_later_package_version_drops_is_named():
    with pytest.raises(DemoDataMissing, match=r"skfolio is installed, but has no datasets/data/gone\.csv"):
        packaged_file("skfolio", "datasets/data/gone.csv")


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(DemoDataMissing, match="no_such_package is not installed"):
        packaged_file("no_such_package", "data.csv")


@pytest.mark.parametrize("vintage", sources.VINTAGES, ids=str)
def test_the_installed_statsmodels_still_ships_both_vintages(vintage: date):
    assert packaged_file("statsmodels", f"{sources.VINTAGE_FOLDER}/{vintage}.csv").stat().st_size > 50_000
