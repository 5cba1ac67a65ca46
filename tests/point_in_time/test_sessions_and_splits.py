"""Labels, splits and lags of the SDK over sessions tables."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from infrastructure.calendars import ExchangeSessions
from optaic.mlops.as_of_join import as_of_join
from optaic.mlops.gaps import filled, latest
from optaic.mlops.point_in_time import (
    closes,
    embargoed,
    label_end,
    label_known_at,
    lag_features,
    lagged_session,
    last_trainable,
    purged,
    sessions_of_rows,
    sessions_table,
    shifted,
    trainable,
    walk_forward_blocks,
)

XNYS = sessions_table(ExchangeSessions().closes("XNYS", date(2019, 1, 1), date(2024, 12, 31)))
MOMENT = pl.Datetime("us", "UTC")


def days(*texts) -> pl.Series:
    return pl.Series("date", [date.fromisoformat(text) for text in texts], dtype=pl.Date())


def utc(*parts) -> datetime:
    return datetime(*parts, tzinfo=UTC)


# --- sessions ---


def test_shifting_counts_sessions_and_is_null_beyond_the_table():
    assert shifted(XNYS, days("2024-01-12", "2024-12-31", "2019-01-01"), 1).to_list() == [
        date(2024, 1, 16),
        None,
        None,
    ]
    assert shifted(XNYS, days("2024-01-15"), 0).to_list() == [
        date(2024, 1, 12)
    ]  # a holiday: the session before
    assert shifted(XNYS, days("2019-01-02"), -1).to_list() == [None]
    assert shifted(XNYS, days(), 1).to_list() == []
    assert lagged_session(XNYS, date(2019, 1, 2), 1) is None


def test_an_empty_table_knows_no_session():
    empty = sessions_table([])
    assert shifted(empty, days("2024-01-12"), 0).to_list() == [None]
    assert closes(empty, days("2024-01-12")).to_list() == [None]
    assert trainable(days("2024-01-12"), 0, empty, utc(2030, 1, 1)).to_list() == [False]


def test_rows_without_a_calendar_are_sessions_that_close_when_first_known():
    rows = pl.DataFrame(
        {
            "date": days("2024-03-31", "2023-12-31", "2024-03-31"),
            "knowledge_date": [utc(2024, 5, 30), utc(2024, 1, 30), utc(2024, 4, 30)],
        },
        schema_overrides={"knowledge_date": MOMENT},
    )
    table = sessions_of_rows(rows)
    assert table["session"].to_list() == [date(2023, 12, 31), date(2024, 3, 31)]
    assert table["close"].to_list() == [utc(2024, 1, 30), utc(2024, 4, 30)]


# --- labels ---


def test_a_label_is_known_at_the_close_of_its_last_session_plus_delay():
    d = days("2024-01-11", "2024-12-31")
    assert label_end(d, 5, XNYS).to_list() == [date(2024, 1, 19), None]
    assert label_known_at(d, 5, XNYS).to_list() == [utc(2024, 1, 19, 21), None]
    assert label_known_at(d, 5, XNYS, timedelta(minutes=5)).to_list() == [utc(2024, 1, 19, 21, 5), None]


def test_a_label_beyond_the_table_is_never_trainable():
    assert trainable(days("2024-12-30", "2024-12-31"), 1, XNYS, utc(2099, 1, 1)).to_list() == [True, False]


def test_the_last_usable_day_before_a_year_end():
    as_of = utc(2020, 12, 31, 21)
    assert last_trainable(XNYS["session"], 5, XNYS, as_of) == date(2020, 12, 23)
    assert last_trainable(XNYS["session"], 5, XNYS, as_of - timedelta(seconds=1)) == date(2020, 12, 22)
    assert last_trainable(days(), 5, XNYS, as_of) is None


def test_a_naive_as_of_is_refused_by_its_code():
    with pytest.raises(ValueError, match=r"pit\.naive_timestamp"):
        trainable(days("2024-01-11"), 5, XNYS, datetime(2024, 1, 19, 21))


# --- splits ---


def test_purge_drops_labels_that_reach_into_the_block():
    d = XNYS["session"].filter(XNYS["session"].is_between(date(2024, 1, 2), date(2024, 2, 2)))
    dropped = d.filter(purged(d, 5, XNYS, date(2024, 1, 16), date(2024, 1, 19)))
    assert (dropped[0], dropped[-1]) == (date(2024, 1, 8), date(2024, 1, 19))  # end(01-08) is 01-16


def test_embargo_is_the_longer_of_horizon_and_embargo_after_the_block():
    d = XNYS["session"].filter(XNYS["session"].is_between(date(2024, 1, 16), date(2024, 2, 2)))
    for embargo, until in ((0, date(2024, 1, 26)), (7, date(2024, 1, 30))):
        dropped = d.filter(embargoed(d, 5, embargo, XNYS, date(2024, 1, 19)))
        assert (dropped[0], dropped[-1]) == (date(2024, 1, 22), until)


def test_yearly_blocks_train_up_to_the_last_session_of_the_year_before():
    decisions = XNYS["session"].to_list()[::5]
    blocks = walk_forward_blocks(decisions, 5, XNYS, first_test=date(2021, 1, 1), refit_every="1y")
    assert [block.first.year for block in blocks] == [2021, 2022, 2023, 2024]
    assert blocks[0].trained_as_of == utc(2020, 12, 31, 21)
    assert blocks[0].train[-1] <= date(2020, 12, 23)
    assert {day.year for day in blocks[1].test} == {2022}
    two_yearly = walk_forward_blocks(decisions, 5, XNYS, first_test=date(2021, 1, 1), refit_every="2y")
    assert [block.first.year for block in two_yearly] == [2021, 2023]


def test_blocks_can_be_counted_in_decisions_and_cut_to_the_newest():
    decisions = XNYS["session"].to_list()[:100]
    blocks = walk_forward_blocks(decisions, 1, XNYS, first_test=80, refit_every=8)
    assert [block.test.len() for block in blocks] == [8, 8, 4]
    newest = walk_forward_blocks(decisions, 1, XNYS, first_test=80, refit_every=8, last_blocks=1)
    assert [block.number for block in newest] == [2]
    assert walk_forward_blocks(decisions, 1, XNYS, first_test=100, refit_every=8) == []


def test_a_window_keeps_the_newest_sessions():
    decisions = XNYS["session"].to_list()
    (block,) = walk_forward_blocks(decisions[:300], 2, XNYS, first_test=250, refit_every=50, window=60)
    assert block.train.to_list() == decisions[190:248]  # 60 sessions, of which two have no known label yet


def test_years_start_where_decisions_are_not_forgotten_by_gaps():
    decisions = [date(2019, 6, 3), date(2020, 6, 1), date(2022, 6, 1)]
    blocks = walk_forward_blocks(decisions, 1, XNYS, first_test=date(2020, 1, 1))
    assert [(block.first.year, block.test.to_list()) for block in blocks] == [
        (2020, [decisions[1]]),
        (2022, [decisions[2]]),
    ]


@pytest.mark.parametrize("refit", ["0y", "y", "6m", "", "-1y", 0, -3])
def test_a_malformed_refit_is_refused(refit):
    with pytest.raises(ValueError, match="refit_every"):
        walk_forward_blocks(XNYS["session"].to_list(), 1, XNYS, first_test=10, refit_every=refit)


# --- features ---


def features(*rows) -> pl.DataFrame:
    return pl.DataFrame(
        [(entity, date.fromisoformat(day), value) for entity, day, value in rows],
        schema={"entity": pl.String(), "date": pl.Date(), "x": pl.Float64()},
        orient="row",
    )


def test_features_are_lagged_in_sessions_for_each_entity():
    rows = features(("A", "2024-01-12", 1.0), ("A", "2024-01-16", 2.0), ("B", "2024-01-10", 3.0))
    lagged = lag_features(rows, days("2024-01-16", "2024-01-17"), XNYS, 1)
    assert lagged.columns == ["date", "entity", "feature_date", "x"]
    assert lagged["x"].to_list() == [1.0, 3.0, 2.0, 3.0]
    assert lag_features(rows, days("2024-01-16"), XNYS, 0)["x"].to_list() == [2.0, 3.0]


def test_an_old_feature_is_null_and_an_entity_not_yet_there_is_left_out():
    rows = features(("A", "2024-01-10", 1.0), ("B", "2024-01-16", 2.0))
    for max_age, expected in ((3, 1.0), (2, None)):  # 01-10 is three sessions before 01-16
        lagged = lag_features(rows, days("2024-01-16"), XNYS, 1, max_age)
        assert lagged.select("entity", "x").rows() == [("A", expected)]


def test_a_null_feature_is_not_replaced_by_an_older_one():
    rows = features(("A", "2024-01-11", 1.0), ("A", "2024-01-12", None))
    assert lag_features(rows, days("2024-01-16"), XNYS, 1)["x"].to_list() == [None]


def test_a_joined_value_beyond_its_age_is_null_and_its_row_still_named():
    revisions = pl.DataFrame(
        {
            "entity": ["A"],
            "date": days("2024-01-10"),
            "knowledge_date": [utc(2024, 1, 10, 21)],
            "seq": [1],
            "op": ["U"],
            "x": [1.0],
        },
        schema_overrides={"knowledge_date": MOMENT},
    )
    decision = pl.DataFrame(
        {"entity": ["A"], "date": days("2024-01-16"), "decision_time": [utc(2024, 1, 16, 21)]},
        schema_overrides={"decision_time": MOMENT},
    )
    assert as_of_join(decision, revisions, XNYS, max_age=3)["x"].to_list() == [1.0]
    aged = as_of_join(decision, revisions, XNYS, max_age=2)
    assert aged.select("row_date", "x").row(0) == (date(2024, 1, 10), None)


def test_fills_stay_within_an_entity_and_begin_with_its_first_row():
    rows = pl.DataFrame(
        {
            "entity": ["A", "B", "A"],
            "date": days("2024-01-10", "2024-01-11", "2024-01-12"),
            "knowledge_date": [utc(2024, 1, 10), utc(2024, 1, 11), utc(2024, 1, 12)],
            "x": [1.0, None, None],
        },
        schema_overrides={"knowledge_date": MOMENT},
    )
    grid = days("2024-01-09", "2024-01-10", "2024-01-11", "2024-01-12")
    done = filled(rows, grid, fill_missing=True, fill_nulls=True)
    assert done.select("entity", "x").rows() == [("A", 1.0), ("A", 1.0), ("B", None), ("A", 1.0), ("B", None)]
    assert latest(rows, fill_nulls=True).select("entity", "x").sort("entity").rows() == [
        ("A", 1.0),
        ("B", None),
    ]


def test_a_join_takes_the_later_write_of_one_knowledge_date_whatever_the_order():
    """Libraries' own as-of joins keep the first or the last row of a tie in file order."""
    decision = pl.DataFrame(
        {"entity": ["A"], "date": days("2024-01-03"), "decision_time": [utc(2024, 1, 3, 21)]},
        schema_overrides={"decision_time": MOMENT},
    )
    tie = pl.DataFrame(
        {
            "entity": ["A", "A"],
            "date": days("2024-01-02", "2024-01-02"),
            "knowledge_date": [utc(2024, 1, 2, 21)] * 2,
            "seq": [8, 7],
            "op": ["U", "U"],
            "x": [11.0, 10.0],
        },
        schema_overrides={"knowledge_date": MOMENT},
    )
    for rows in (tie, tie.reverse()):
        assert as_of_join(decision, rows, XNYS)["x"].to_list() == [11.0]
