"""The checks that user code calls on its own frames."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optaic.mlops import lookahead, monitoring
from optaic.mlops.monitoring import validate_data_quality, validate_signal_bounds


def frame(values: list[float | None], name: str = "signal") -> pl.DataFrame:
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(len(values))]
    entities = ["e"] * len(values)
    return pl.DataFrame(
        {"entity": entities, "date": days, name: values},
        schema={"entity": pl.String, "date": pl.Date, name: pl.Float64},
    )


def test_a_signal_within_its_bounds_passes_at_both_ends() -> None:
    report = validate_signal_bounds(frame([-1.0, 0.0, 1.0]))
    assert (report.ok, report.rows, report.issues) == (True, 3, ())


@pytest.mark.parametrize("wrong", [1.0000001, -1.2, None, float("nan"), float("inf"), float("-inf")])
def test_one_value_out_of_bounds_is_told_with_its_key(wrong: float | None) -> None:
    (issue,) = validate_signal_bounds(frame([0.5, wrong])).issues
    assert (issue.code, issue.column, issue.count) == ("signal.bounds", "signal", 1)
    assert issue.keys == ({"date": date(2024, 1, 2), "entity": "e"},)
    assert issue.message == "1 of 2 rows outside [-1, 1]"


def test_only_the_first_twenty_keys_are_told() -> None:
    (issue,) = validate_signal_bounds(frame([2.0] * 50)).issues
    assert (issue.count, len(issue.keys)) == (50, 20)


def test_a_signal_without_rows_is_within_any_bounds() -> None:
    assert validate_signal_bounds(frame([])).ok


def test_bounds_and_columns_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="above"):
        validate_signal_bounds(frame([0.0]), low=1, high=0)
    with pytest.raises(ValueError, match="no column 'other'"):
        validate_signal_bounds(frame([0.0]), column="other")


@given(st.lists(st.floats(allow_nan=True, width=32), max_size=30))
def test_the_count_is_that_of_plain_comparisons(values: list[float]) -> None:
    wanted = sum(not -1 <= value <= 1 for value in values)
    assert sum(issue.count for issue in validate_signal_bounds(frame([*values])).issues) == wanted


def codes(rows: pl.DataFrame, missing_at_most: float = 0.0) -> dict[str, int]:
    report = validate_data_quality(rows, missing_at_most=missing_at_most)
    return {issue.code: issue.count for issue in report.issues}


def test_good_data_has_no_issue() -> None:
    assert codes(frame([1.0, 2.0, 3.0])) == {}


def test_each_defect_of_data_has_its_own_issue() -> None:
    good = frame([1.0, 2.0])
    assert codes(frame([])) == {"quality.empty": 0}
    assert codes(pl.concat([good, good])) == {"quality.key_repeated": 4}
    assert codes(good.with_columns(pl.lit(None, pl.Date).alias("date")).head(1)) == {"quality.key_missing": 1}
    assert codes(frame([1.0, float("inf"), 2.0])) == {"quality.infinite": 1}
    assert codes(frame([1.0, None, float("nan"), 2.0])) == {"quality.missing": 2}
    assert codes(frame([1.0, 1.0, 1.0])) == {"quality.constant": 3}


def test_a_share_of_missing_values_may_be_allowed() -> None:
    rows = frame([1.0, None, 3.0, 4.0])
    assert codes(rows, missing_at_most=0.25) == {}
    assert codes(rows, missing_at_most=0.2) == {"quality.missing": 1}


def test_only_the_columns_that_were_asked_for_are_looked_at() -> None:
    rows = frame([1.0, 2.0]).with_columns(pl.lit("same").alias("label"))
    assert codes(rows) == {"quality.constant": 2}
    assert validate_data_quality(rows, columns=["signal"]).ok


def test_one_row_is_not_constant_and_an_empty_report_is_not_good() -> None:
    assert codes(frame([1.0])) == {}
    assert not validate_data_quality(frame([])).ok


def test_the_lookahead_check_is_found_here_too() -> None:
    assert monitoring.validate_no_lookahead is lookahead.validate_no_lookahead
