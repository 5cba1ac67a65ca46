"""G13: the twelve cases of point in time, as the specification gives them."""

from datetime import date, datetime

import polars as pl
import pytest

from domain.dataset.declaration import Column, Declaration
from domain.point_in_time import (
    PitKnowledgeBeforeDate,
    PitNaiveTimestamp,
    is_survivorship,
    parse_as_of,
)
from infrastructure.calendars import ExchangeSessions
from infrastructure.datasets.intake import CSV
from optaic.mlops.as_of_join import as_of_join
from optaic.mlops.gaps import coverage, filled, latest
from optaic.mlops.point_in_time import (
    closes,
    lagged_session,
    last_trainable,
    sessions_table,
)
from tests.datasets.written_dataset import VALUE, WrittenDataset, day, moment

XNYS = ExchangeSessions()
FORECASTS = Declaration(columns=VALUE.columns, forward_looking=True)


@pytest.fixture
def dataset(tmp_path):
    return WrittenDataset(tmp_path)


def test_case_1_same_date_revision(dataset):
    dataset.write(
        [("", "2016-04-30", "2016-06-29 12:30", 143856.0), ("", "2016-05-31", "2016-06-29 12:30", 143894.0)]
    )
    dataset.write(
        [("", "2016-04-30", "2016-07-29 12:30", 143877.0), ("", "2016-05-31", "2016-07-29 12:30", 143888.0)]
    )
    for before in ("2016-06-30", "2016-07-29 12:29:59"):
        assert dataset.values(before) == [("04-30", 143856.0), ("05-31", 143894.0)]
    assert dataset.values("2016-07-29 12:30:00") == [("04-30", 143877.0), ("05-31", 143888.0)]
    assert dataset.versions[1].superseding == 2


def test_case_2_tie_in_knowledge_date(dataset):
    dataset.write([("A", "2024-01-02", "2024-01-02 21:00", 10.0)])
    dataset.write([("A", "2024-01-02", "2024-01-02 21:00", 11.0)])
    assert dataset.values("2024-01-02 21:00") == [("01-02", 11.0)]


def test_case_3_timezone_and_daylight_saving(dataset):
    dataset.write([("", "2024-03-08", "2024-03-08 21:05", 1.0), ("", "2024-03-11", "2024-03-11 20:05", 2.0)])
    assert dataset.values("2024-03-08 21:00") == []
    assert dataset.values("2024-03-11 20:05") == [("03-08", 1.0), ("03-11", 2.0)]


def test_case_3_input_without_a_zone_is_refused(dataset):
    with pytest.raises(PitNaiveTimestamp):
        dataset.upload(b"entity,date,knowledge_date,value\nA,2024-03-08,2024-03-08 16:05,1\n", CSV)
    naive = pl.DataFrame(
        {
            "entity": ["A"],
            "date": [date(2024, 3, 8)],
            "knowledge_date": [datetime(2024, 3, 8, 16, 5)],
            "value": [1.0],
        }
    )
    with pytest.raises(PitNaiveTimestamp):
        dataset.upload(naive)


def test_case_4_late_arrival(dataset):
    dataset.write([("", "2024-01-04", "2024-01-04 22:00", 4.0)])
    dataset.write([("", "2024-01-03", "2024-01-08 09:00", 3.0)])
    assert dataset.values("2024-01-05") == [("01-04", 4.0)]
    assert dataset.values("2024-01-08 09:00") == [("01-03", 3.0), ("01-04", 4.0)]


def test_case_4_join_filters_on_knowledge_first(dataset):
    dataset.write([("", "2024-01-03", "2024-01-03 22:00", 1.0)])
    dataset.write([("", "2024-01-04", "2024-01-06 09:00", 2.0)])
    decision = pl.DataFrame(
        {"entity": [""], "date": [day("2024-01-05")], "decision_time": [moment("2024-01-05 21:00")]}
    )
    revisions = dataset.store.read_revisions(dataset.facts.manifest_sha256, moment("2030-01-01"))
    sessions = sessions_table(XNYS.closes("XNYS", day("2024-01-01"), day("2024-01-31")))
    joined = as_of_join(decision.cast({"decision_time": pl.Datetime("us", "UTC")}), revisions, sessions)
    assert joined["value"].to_list() == [1.0]
    assert joined["row_date"].to_list() == [day("2024-01-03")]


def test_case_5_tombstone_and_return(dataset):
    dataset.write([("", "2024-01-02", "2024-01-02 22:00", "U", 5.0)])
    dataset.write([("", "2024-01-02", "2024-01-05 10:00", "D", None)])
    dataset.write([("", "2024-01-02", "2024-01-09 10:00", "U", 6.0)])
    assert dataset.values("2024-01-04") == [("01-02", 5.0)]
    assert dataset.values("2024-01-06") == []
    assert dataset.values("2024-01-10") == [("01-02", 6.0)]


def test_case_6_restated_history(dataset):
    dataset.write(
        [("", "2024-01-08", "2024-01-08 21:00", 100.0), ("", "2024-01-09", "2024-01-09 21:00", 102.0)]
    )
    dataset.write(
        [("", f"2024-01-{d}", "2024-01-10 21:00", v) for d, v in (("08", 50.0), ("09", 51.0), ("10", 52.0))]
    )
    before = [value for _, value in dataset.values("2024-01-09 23:00")]
    after = [value for _, value in dataset.values("2024-01-10 23:00")]
    assert before == [100.0, 102.0]
    assert before[1] / before[0] - 1 == pytest.approx(0.02)
    assert after == [50.0, 51.0, 52.0]


@pytest.mark.parametrize(
    "as_of, expected",
    [
        ("2024-01-19 21:00", "2024-01-11"),
        ("2024-01-22 21:00", "2024-01-12"),
        ("2024-01-19 20:59", "2024-01-10"),
    ],
)
def test_case_7_label_horizon_crossing_as_of(as_of, expected):
    sessions = sessions_table(XNYS.closes("XNYS", day("2023-12-01"), day("2024-03-01")))
    assert last_trainable(sessions["session"], 5, sessions, moment(as_of)) == day(expected)


@pytest.mark.parametrize(
    "decision, expected, close",
    [
        ("2024-01-16", "2024-01-12", "2024-01-12 21:00"),
        ("2024-07-05", "2024-07-03", "2024-07-03 17:00"),
        ("2023-11-27", "2023-11-24", "2023-11-24 18:00"),
    ],
)
def test_case_8_lag_over_weekends_and_holidays(decision, expected, close):
    sessions = sessions_table(XNYS.closes("XNYS", day("2023-11-01"), day("2024-07-31")))
    lagged = lagged_session(sessions, day(decision), 1)
    assert lagged == day(expected)
    assert closes(sessions, pl.Series([lagged])).item() == moment(close)


def test_case_9_entity_renamed_and_delisted(tmp_path):
    tickers = Declaration(columns=(Column(name="ticker", type="string"),))
    (tmp_path / "prices").mkdir()
    prices = WrittenDataset(tmp_path / "prices", tickers)
    prices.write(
        [("E1", "2022-06-08", "2022-06-08 20:00", "FB"), ("E1", "2022-06-09", "2022-06-09 20:00", "META")]
    )
    assert prices.read("2022-06-10", entities=["E1"])["ticker"].to_list() == ["FB", "META"]

    member = Declaration(columns=(Column(name="member", type="bool"),))
    (tmp_path / "universe").mkdir()
    universe = WrittenDataset(tmp_path / "universe", member)
    listed = [
        ("E1", "2022-01-03", "2022-01-03 21:00", "U", True),
        ("E2", "2022-01-03", "2022-01-03 21:00", "U", True),
    ]
    universe.write(listed)
    universe.write([("E2", "2022-01-03", "2023-03-13 13:00", "D", None)])

    def at(moment_text):
        return universe.read(moment_text)["entity"].to_list()

    assert "E2" in at("2023-03-10 21:00")
    assert "E2" not in at("2023-03-14")
    assert "E2" in at("2022-06-30")  # a backtest over 2022, run today
    assert not is_survivorship([at("2022-06-30"), at("2023-03-10 21:00")], at("2024-01-01"))
    assert is_survivorship([["E1"], ["E1"]], at("2024-01-01"))


def test_case_10_null_is_not_missing(dataset):
    dataset.write([("", "2024-01-02", "2024-01-02 22:00", 7.0), ("", "2024-01-03", "2024-01-03 22:00", None)])
    rows = dataset.read("2024-01-04 23:00")
    assert rows["value"].to_list() == [7.0, None]
    assert latest(rows)["value"].to_list() == [None]
    assert latest(rows, fill_nulls=True)["value"].to_list() == [7.0]
    days = pl.Series([day("2024-01-02"), day("2024-01-03"), day("2024-01-04")])
    counted = coverage(rows, "value", days, pl.Series([""]))
    assert (counted.present, counted.null, counted.missing) == (2, 1, 1)
    assert filled(rows, days)["value"].to_list() == [7.0, None]
    assert filled(rows, days, fill_missing=True)["value"].to_list() == [7.0, None, None]
    assert filled(rows, days, fill_missing=True, fill_nulls=True)["value"].to_list() == [7.0, 7.0, 7.0]


def test_case_11_version_pinned_vs_as_of(dataset):
    dataset.write([("", "2024-01-02", "2024-01-02 22:00", 1.0)])
    dataset.write([("", "2024-01-02", "2024-01-03 22:00", 9.0)], backfill=True)
    assert dataset.values("2024-01-10", version=1) == [("01-02", 1.0)]
    assert dataset.values("2024-01-10", version=2) == [("01-02", 9.0)]
    empty = dataset.read("2024-01-01", version=1)
    assert empty.is_empty()
    assert dict(empty.schema) == {
        "entity": pl.String(),
        "date": pl.Date(),
        "knowledge_date": pl.Datetime("us", "UTC"),
        "value": pl.Float64(),
    }


def test_case_12_knowledge_before_date(tmp_path):
    rows = [("", "2024-03-31", "2024-02-15 13:00", 2.1), ("", "2024-03-31", "2024-04-25 12:30", 1.6)]
    forecasts = WrittenDataset(tmp_path, FORECASTS)
    forecasts.write(rows)
    assert forecasts.values("2024-03-01") == [("03-31", 2.1)]
    assert forecasts.values("2024-04-25 12:30") == [("03-31", 1.6)]
    (tmp_path / "other").mkdir()
    with pytest.raises(PitKnowledgeBeforeDate, match="2024-03-31"):
        WrittenDataset(tmp_path / "other").write(rows)


def test_r4_bare_dates_mean_a_close_only_where_there_is_a_calendar():
    assert parse_as_of("2024-07-03", lambda d: XNYS.close_of("XNYS", d)) == moment("2024-07-03 17:00")
    with pytest.raises(PitNaiveTimestamp):
        parse_as_of("2024-07-03")
    with pytest.raises(PitNaiveTimestamp):
        parse_as_of("2024-07-03T17:00:00")
