"""Whether current rows are fit to be used: missing, infinite, constant, repeated, out of range, old, gone."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from optaic.mlops.measures.profiles import BINS, profile, profile_column, reference, universe
from optaic.mlops.measures.quality import (
    ColumnQuality,
    column_quality,
    coverage,
    repeated_rows,
    sessions_since,
)

DAY = date(2024, 1, 1)
VALUES = st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), max_size=80)


def rows(present: dict[int, str], lag: dict[str, int] | None = None) -> pl.DataFrame:
    """Per decision the entities that are there; `lag`: how many days an entity's features are old."""
    found = [
        (DAY + timedelta(days=day), name, DAY + timedelta(days=day - (lag or {}).get(name, 0)))
        for day, names in present.items()
        for name in names
    ]
    return pl.DataFrame(
        found, schema={"date": pl.Date, "entity": pl.String, "feature_date": pl.Date}, orient="row"
    )


def test_a_clean_column_has_no_fault_and_a_broken_one_has_each() -> None:
    known = profile_column(pl.Series([0.0, 1.0, 2.0, 3.0]))
    assert column_quality(pl.Series([0.5, 1.5, 2.5]), known) == ColumnQuality(0.0, 0.0, 0.0, constant=False)
    broken = pl.Series([None, float("nan"), float("inf"), 1e200, 9.0, 1.0, 1.0, 1.0])
    assert column_quality(broken, known) == ColumnQuality(0.25, 0.25, 0.125, constant=False)
    assert column_quality(pl.Series([1.0, 1.0]), known).constant


def test_an_empty_column_and_a_single_row_are_nothing_of_anything() -> None:
    for values in ([], [1.0]):
        assert column_quality(pl.Series(values, dtype=pl.Float64)) == ColumnQuality(0, 0, 0, constant=False)


def test_an_unknown_category_is_out_of_range() -> None:
    known = profile_column(pl.Series(["calm", "storm", "calm"]))
    assert column_quality(pl.Series(["calm", "fog", None, "storm"]), known).out_of_range == 0.25


@given(VALUES)
def test_shares_lie_between_nothing_and_all_and_do_not_overlap(values: list[float | None]) -> None:
    found = column_quality(pl.Series(values, dtype=pl.Float64), profile_column(pl.Series([0.0, 1.0])))
    assert 0 <= found.missing + found.infinite + found.out_of_range <= 1 + 1e-12


@given(VALUES)
def test_a_profile_counts_every_finite_value_once_in_at_most_twenty_bins(values: list[float | None]) -> None:
    found = profile_column(pl.Series(values, dtype=pl.Float64))
    assert found.count == len(values)
    assert sum(found.counts) == found.finite
    assert len(found.counts) <= BINS + 2 <= 20
    assert list(found.edges) == sorted(found.edges)
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_a_feed_that_stands_still_repeats_its_rows() -> None:
    frame = rows({0: "AB", 1: "AB"}).with_columns(x=pl.Series([1.0, 2.0, 3.0, 4.0]))
    assert repeated_rows(frame, ["x"]) == 0
    still = frame.with_columns(x=pl.Series([1.0, 2.0, 1.0, 4.0]))
    assert repeated_rows(still, ["x"]) == 1
    assert repeated_rows(pl.concat([frame, frame]), ["x"]) == 4
    assert repeated_rows(frame.clear(), ["x"]) == 0


def test_an_entity_that_vanished_is_missing_even_while_its_last_row_is_carried_on() -> None:
    known = universe(rows({0: "ABC", 1: "ABC"}))
    assert coverage(rows({8: "ABC", 9: "ABC"}), known).share == 1.0
    gone = coverage(rows({8: "AB", 9: "AB"}), known)
    carried = coverage(rows({8: "ABC", 9: "ABC"}, lag={"C": 5}), known)
    for found in (gone, carried):
        assert (found.entities, found.missing, found.unknown) == (2, ("C",), ())
        assert found.share == 2 / 3


def test_an_entity_that_was_not_trained_on_is_unknown_and_nobody_is_a_share_of_zero() -> None:
    known = universe(rows({0: "AB"}))
    assert coverage(rows({3: "ABX"}), known).unknown == ("X",)
    empty = coverage(rows({}), known)
    assert (empty.entities, empty.share, empty.missing) == (0, 0.0, ("A", "B"))
    assert coverage(rows({3: "AB"}), None).share == 1.0


@given(st.integers(0, 30), st.integers(0, 30))
def test_freshness_counts_the_sessions_after_the_newest_row(sessions: int, age: int) -> None:
    days = pl.Series([DAY + timedelta(days=n) for n in range(sessions)], dtype=pl.Date)
    newest = DAY + timedelta(days=sessions - 1 - age)
    found = sessions_since({"prices": newest, "nothing": None}, days)
    assert found == {"prices": min(age, sessions), "nothing": sessions}


def test_a_reference_tells_rows_dates_and_universe() -> None:
    frame = rows({0: "AB", 1: "AB"}).with_columns(x=pl.Series([1.0, 2.0, 3.0, 4.0]))
    made = reference(frame, ["x"])
    assert (made.rows, made.first, made.universe.per_date) == (4, DAY, 2.0)
    assert made.features == profile(frame, ["x"])
    assert reference(frame.clear(), ["x"]).first is None
