"""The fast way to features and labels as of each decision equals one computation a decision."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from optaic.mlops.base import Frames
from optaic.mlops.pipelines.epochs import plan_reads
from optaic.mlops.pipelines.features import feature_rows, naive_feature_rows
from optaic.mlops.pipelines.grid import Grid, make_grid
from optaic.mlops.pipelines.knowledge import History, Inputs, frames_as_of
from optaic.mlops.pipelines.labels import ColumnTarget, label_rows
from optaic.mlops.point_in_time import shifted
from optaic.mlops.runner.description import Config
from tests.sdk.sample_definition import (
    Forward,
    MemoryExecutor,
    Momentum,
    Trainer,
    at,
    described,
    revisions,
    walk,
)

DAYS = 8

stored_rows = st.lists(
    st.tuples(
        st.sampled_from("AB"),
        st.integers(0, DAYS - 1),
        st.integers(0, 2 * DAYS).map(lambda halves: halves / 2 + 0.2),
        st.one_of(st.none(), st.integers(1, 50).map(float)),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda row: (row[0], row[1], row[2]),
)


def readings(
    histories: dict[str, pl.DataFrame], calendar: str | None, **config: object
) -> tuple[Inputs, Grid, Config]:
    description = described(
        "training", at(DAYS + 0.9), tuple(histories), config={"calendar": calendar} | config
    )
    executor = MemoryExecutor(histories)
    inputs = Inputs(executor, description)
    return inputs, make_grid(description, inputs, executor, Trainer()), description.config


@settings(deadline=None, max_examples=150)
@given(
    rows=stored_rows,
    lag=st.integers(0, 2),
    calendar=st.sampled_from(["DAYS", None]),
    age=st.sampled_from([None, 2]),
)
def test_features_from_epochs_equal_one_computation_a_decision(
    rows: list[tuple[str, int, float, float | None]], lag: int, calendar: str | None, age: int | None
) -> None:
    known = [row for row in rows if row[2] <= DAYS + 0.9]
    if not known:
        return
    inputs, grid, config = readings({"prices": revisions(rows)}, calendar, feature_lag=lag, max_age=age)
    if grid.decisions.is_empty():
        return
    fast = feature_rows(Momentum(), inputs, grid, grid.decisions, config, vintage=True).frame
    slow = naive_feature_rows(Momentum(), inputs.histories(["prices"]), grid, grid.decisions, config)
    assert_frame_equal(fast, slow)


@settings(deadline=None, max_examples=80)
@given(
    rows=stored_rows,
    macro=st.lists(st.tuples(st.just(""), st.integers(0, 5), st.floats(0, 9), st.floats(1, 9)), max_size=6),
)
def test_two_inputs_with_late_and_revised_rows_give_the_same_features_too(
    rows: list[tuple[str, int, float, float | None]], macro: list[tuple[str, int, float, float]]
) -> None:
    if not any(row[2] <= DAYS + 0.9 for row in rows):
        return
    histories = {"prices": revisions(rows), "macro": revisions(macro, "level")}
    inputs, grid, config = readings(histories, "DAYS", feature_lag=1)
    if grid.decisions.is_empty():
        return
    fast = feature_rows(Momentum(), inputs, grid, grid.decisions, config, vintage=True).frame
    slow = naive_feature_rows(Momentum(), inputs.histories(histories), grid, grid.decisions, config)
    assert_frame_equal(fast, slow)


@settings(deadline=None, max_examples=100)
@given(rows=stored_rows, horizon=st.integers(0, 3), calendar=st.sampled_from(["DAYS", None]))
def test_labels_from_epochs_equal_each_label_computed_when_it_became_known(
    rows: list[tuple[str, int, float, float | None]], horizon: int, calendar: str | None
) -> None:
    positive = [row for row in rows if row[2] <= DAYS + 0.9]
    if not positive:
        return
    inputs, grid, config = readings({"prices": revisions(rows)}, calendar, horizon=horizon)
    target = SessionReturn(grid.sessions)
    fast = label_rows(target, inputs, grid, config, vintage=True)
    histories = inputs.histories(["prices"])
    for entity, day, value, _, known_at in fast.iter_rows():
        own = target.compute(frames_as_of(histories, known_at), horizon)
        row = own.filter((pl.col("entity") == entity) & (pl.col("date") == day))
        if not row.is_empty():
            assert row["target"][0] == pytest.approx(value, abs=1e-12)


def test_clean_rows_need_one_computation_whatever_the_lag() -> None:
    for lag in (0, 1, 3):
        inputs, grid, config = readings({"prices": revisions(walk(DAYS))}, "DAYS", feature_lag=lag)
        assert feature_rows(Momentum(), inputs, grid, grid.decisions, config, vintage=True).epochs == 1


def test_rows_that_come_after_the_close_every_day_still_need_one_computation() -> None:
    inputs, grid, config = readings({"prices": revisions(walk(DAYS, known_hour=22.5))}, "DAYS", feature_lag=0)
    rows = feature_rows(Momentum(), inputs, grid, grid.decisions, config, vintage=True)
    assert rows.epochs == 1
    assert (rows.frame["feature_date"] < rows.frame["date"]).all()


def test_each_revision_opens_an_epoch_and_decisions_before_it_do_not_see_it() -> None:
    rows = [*walk(DAYS, "A"), ("A", 1, 4.9, 1.0), ("A", 2, 5.9, 2.0)]
    inputs, grid, config = readings({"prices": revisions(rows)}, "DAYS", feature_lag=1, feature_cols=("sum",))
    found = feature_rows(Momentum(), inputs, grid, grid.decisions, config, vintage=True)
    assert found.epochs == 3
    original = [row[3] or 0.0 for row in walk(DAYS, "A")]
    sums = dict(found.frame.select("date", "sum").iter_rows())
    first = date(2024, 1, 1)
    assert sums[first + timedelta(days=4)] == pytest.approx(sum(original[:4]))
    assert sums[first + timedelta(days=5)] == pytest.approx(sum(original[:5]) - original[1] + 1.0)
    assert sums[first + timedelta(days=6)] == pytest.approx(sum(original[:6]) - sum(original[1:3]) + 3.0)


def test_restated_history_reads_everything_as_of_the_run() -> None:
    rows = [*walk(DAYS, "A"), ("A", 1, 4.9, 1.0)]
    inputs, grid, config = readings({"prices": revisions(rows)}, "DAYS", feature_lag=1, feature_cols=("sum",))
    found = feature_rows(Momentum(), inputs, grid, grid.decisions, config, vintage=False)
    third = found.frame.filter(pl.col("date") == date(2024, 1, 3))["sum"][0]
    assert third == pytest.approx(walk(DAYS, "A")[0][3] + 1.0)  # pyright: ignore[reportOptionalOperand]


def test_a_label_of_an_earlier_fit_does_not_know_a_later_revision() -> None:
    rows = [*walk(DAYS, "A"), ("A", 2, 6.9, 1000.0)]
    inputs, grid, config = readings({"prices": revisions(rows)}, "DAYS", horizon=1)
    labels = label_rows(Forward(), inputs, grid, config, vintage=True)
    clean = [row[3] or 0.0 for row in walk(DAYS, "A")]
    second = labels.filter(pl.col("date") == date(2024, 1, 2))
    assert second["target"][0] == pytest.approx(clean[2] / clean[1] - 1)
    assert second["outcome"][0] == pytest.approx(1000.0 / clean[1] - 1)


def test_a_label_is_known_when_the_slowest_row_of_its_end_is() -> None:
    rows = [row if row[1] != 3 else (row[0], row[1], 4.5, row[3]) for row in walk(DAYS, "A")]
    inputs, grid, config = readings({"prices": revisions(rows)}, "DAYS", horizon=1)
    labels = label_rows(Forward(), inputs, grid, config, vintage=True)
    assert labels.filter(pl.col("date") == date(2024, 1, 3))["known_at"][0] == at(4.5)


def test_a_read_of_nothing_has_no_bound() -> None:
    history = History(revisions(walk(3, "A")))
    reads = pl.DataFrame(
        {"cutoff": [date(2023, 1, 1), None, date(2024, 1, 2)], "moment": [at(9), at(9), at(0.1)]},
        schema={"cutoff": pl.Date, "moment": pl.Datetime("us", "UTC")},
    )
    assert plan_reads([history], reads).bounds.to_list() == [None, None, None]


def test_the_grid_counts_from_the_first_date_whenever_it_is_made() -> None:
    early, late = (
        make_grid(
            described("training", at(day)),
            Inputs(executor, described("training", at(day))),
            executor,
            Every(),
        )
        for day in (20.95, 25.95)
        for executor in [MemoryExecutor({"prices": revisions(walk(30))})]
    )
    days = early.decisions.height
    assert early.decisions["date"].to_list() == late.decisions["date"].to_list()[:days]
    assert shifted(late.sessions, late.decisions["date"], -5)[1] == late.decisions["date"][0]


class SessionReturn(Forward):
    """The return from one session to the one `horizon` later, where both have a row."""

    def __init__(self, sessions: pl.DataFrame) -> None:
        self.ends = ColumnTarget("close", sessions)

    def compute(self, frames: Frames, horizon: int) -> pl.DataFrame:
        ahead = self.ends.compute(frames, horizon)
        now = frames["prices"].select("entity", "date", "close")
        change = pl.col("target") / pl.col("close") - 1
        joined = ahead.join(now, on=["entity", "date"])
        return joined.select("entity", "date", change.alias("target"), change.alias("outcome"))


class Every(Trainer):
    decide_every = 5
    first_decision = 2
