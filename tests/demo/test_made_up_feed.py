"""The fault that the demonstration makes up: in eight stocks and four months, and in nothing else."""

from datetime import UTC, date, datetime

import polars as pl

from infrastructure.demo.feed import REPAIRED_AT, STUCK, feed

STUCK_ONE, OTHER = STUCK[0], "cik-0000000001"
DAYS = (date(2018, 12, 31), date(2021, 12, 31), date(2022, 1, 3), date(2022, 4, 29), date(2022, 5, 2))
ROWS = [
    (entity, day, datetime(day.year, day.month, day.day, 21, tzinfo=UTC), place * 10.0 + number)
    for place, day in enumerate(DAYS)
    for number, entity in enumerate((OTHER, STUCK_ONE))
]
SCHEMA = {
    "entity": pl.String,
    "date": pl.Date,
    "knowledge_date": pl.Datetime("us", "UTC"),
    "close": pl.Float64,
}
PRICES = pl.DataFrame(ROWS, schema=SCHEMA, orient="row")


def test_the_closes_of_the_stuck_stocks_stand_still_and_the_others_move():
    uploads = feed(PRICES)
    assert uploads.true["close"].to_list() == [10.0, 11.0]
    assert uploads.faulty["close"].to_list() == [20.0, 11.0, 30.0, 11.0]


def test_the_repair_is_the_truth_known_later_and_what_came_after():
    uploads = feed(PRICES)
    repaired = uploads.repaired
    assert repaired["close"].to_list() == [21.0, 31.0, 40.0, 41.0]
    assert repaired["knowledge_date"].to_list()[:2] == [REPAIRED_AT] * 2
    assert min(repaired["knowledge_date"].to_list()) > max(uploads.faulty["knowledge_date"].to_list())
