"""Kinds that judge an output's rows: scores, labels, subsets, and coverage of every decision."""

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given as given_values
from hypothesis import strategies as st

from application.ports import MeasuredRun
from domain.guardrails import filter_subset, regime_labels, relevance_scores
from infrastructure.guardrail_measures import comparisons, frames
from tests.guardrails.judging import DAYS, contract, frame, given, issue_of, judged

SCORES = contract("relevance.scores")
LABELS = contract("regime.labels", labels=["low", "high"], ordered_by="p_high")
SUBSET = contract("filter.subset", role="signals", per_date=1)
INPUT = frame(signal=[0.1, 0.2, 0.3, float("nan")])
SIGNALS = MeasuredRun(inputs={"signals": given(INPUT)})


def days(count: int) -> list[date]:
    return [DAYS[0] + timedelta(days=n) for n in range(count)]


def decided(*dates: date) -> dict[date, datetime]:
    return {day: datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in dates}


def test_a_signal_blown_up_by_a_fifth_breaks_its_bounds_where_it_leaves_them(tmp_path: Path) -> None:
    ranks = [-1 + 2 * n / 19 for n in range(20)]
    rows = pl.DataFrame({"date": [DAYS[0]] * 20, "entity": [f"E{n:02d}" for n in range(20)], "signal": ranks})
    assert judged(tmp_path, contract("signal.bounds"), rows).ok
    issue = issue_of(judged(tmp_path, contract("signal.bounds"), rows.with_columns(pl.col("signal") * 1.2)))
    assert issue.rows == 4
    assert issue.observed["maximum"] == pytest.approx(1.2)


def test_a_bent_probability_in_every_tenth_of_122_rows_is_thirteen_rows(tmp_path: Path) -> None:
    up = [(n % 7) / 10 for n in range(122)]
    rows = pl.DataFrame({"date": days(122), "entity": [""] * 122, "up": up}).with_columns(
        (1 - pl.col("up")).alias("down")
    )
    law = contract("regime.probabilities", columns=["up", "down"])
    assert judged(tmp_path, law, rows).ok
    tenth = pl.int_range(pl.len()) % 10 == 0
    bent = rows.with_columns(pl.col("up") + pl.when(tenth).then(0.05).otherwise(0.0))
    assert issue_of(judged(tmp_path, law, bent)).rows == 13


def test_scores_hold_from_zero_on(tmp_path: Path) -> None:
    assert judged(tmp_path, SCORES, frame(score=[0.0, 0.062, 1.13, 5.0])).enforced_as == "passed"


@pytest.mark.parametrize("bad", [float("nan"), -0.01, float("inf"), None])
def test_one_score_that_is_no_score_is_named(tmp_path: Path, bad: float | None) -> None:
    issue = issue_of(judged(tmp_path, SCORES, frame(score=[0.0, 0.1, bad, 0.2])))
    assert (issue.code, issue.rows, issue.keys) == ("relevance.scores", 1, ("2024-01-03/A",))


def test_a_feature_has_one_score_and_a_score_column_is_needed(tmp_path: Path) -> None:
    twice = frame(score=[0.1] * 4).with_columns(entity=pl.Series(["A", "B", "A", "A"]))
    issue = issue_of(judged(tmp_path, SCORES, twice))
    assert (issue.rows, issue.observed["rows_with_a_repeated_feature"]) == (2, 2.0)
    assert issue_of(judged(tmp_path, SCORES, frame(rank=[1.0] * 4))).rows == 4


@given_values(st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=30))
def test_scores_hold_exactly_when_each_is_finite_and_not_negative(values: list[float | None]) -> None:
    keys = {"date": [DAYS[0]] * len(values), "entity": [str(n) for n in range(len(values))]}
    rows = pl.DataFrame(keys | {"score": pl.Series(values, dtype=pl.Float64)})
    figures = frames.scores(relevance_scores.Config(), rows, MeasuredRun())
    assert figures.breaching == sum(v is None or not math.isfinite(v) or v < 0 for v in values)


def test_labels_of_the_set_in_their_order_pass(tmp_path: Path) -> None:
    rows = frame(regime=["low", "high", "low", "high"], p_high=[0.1, 0.9, 0.2, 0.8])
    assert judged(tmp_path, LABELS, rows).enforced_as == "passed"
    assert judged(tmp_path, LABELS, rows.filter(pl.col("regime") == "high")).ok


@pytest.mark.parametrize("label", ["medium", "Low", None])
def test_a_label_from_outside_the_set_is_named(tmp_path: Path, label: str | None) -> None:
    rows = frame(regime=["low", label, "low", "high"], p_high=[0.1, 0.5, 0.2, 0.8])
    issue = issue_of(judged(tmp_path, LABELS, rows))
    assert (issue.rows, issue.keys) == (1, ("2024-01-02/B",))


def test_labels_that_changed_places_are_out_of_order(tmp_path: Path) -> None:
    rows = frame(regime=["high", "low", "high", "low"], p_high=[0.1, 0.9, 0.2, 0.8])
    issue = issue_of(judged(tmp_path, LABELS, rows))
    assert (issue.rows, issue.observed["labels_out_of_order"]) == (0, 1.0)
    assert "out of order by p_high" in issue.message


def test_an_order_by_a_column_that_is_not_there_is_no_order(tmp_path: Path) -> None:
    assert issue_of(judged(tmp_path, LABELS, frame(regime=["low"] * 4))).rows == 4


@given_values(st.lists(st.sampled_from(["low", "high", "other", None]), min_size=1, max_size=30))
def test_labels_hold_exactly_when_each_is_of_the_set(values: list[str | None]) -> None:
    keys = {"date": [DAYS[0]] * len(values), "entity": [str(n) for n in range(len(values))]}
    rows = pl.DataFrame(keys | {"regime": pl.Series(values, dtype=pl.String)})
    figures = frames.labels(regime_labels.Config(labels=("low", "high")), rows, MeasuredRun())
    assert figures.breaching == sum(value not in ("low", "high") for value in values)


def test_a_subset_keeps_keys_values_and_the_count(tmp_path: Path) -> None:
    assert judged(tmp_path, SUBSET, INPUT[[0, 3]], SIGNALS).enforced_as == "passed"
    assert judged(tmp_path, contract("filter.subset", role="signals"), INPUT.clear(), SIGNALS).ok


def test_a_key_that_is_not_in_the_input_is_named(tmp_path: Path) -> None:
    foreign = INPUT[[0, 3]].with_columns(entity=pl.Series(["A", "C"]))
    issue = issue_of(judged(tmp_path, SUBSET, foreign, SIGNALS))
    assert (issue.observed["foreign_keys"], issue.keys) == (1.0, ("2024-01-03/C",))


@pytest.mark.parametrize("value", [0.1000001, None, float("nan")])
def test_a_changed_value_is_named(tmp_path: Path, value: float | None) -> None:
    changed = INPUT[[0, 3]].with_columns(signal=pl.Series([value, float("nan")], dtype=pl.Float64))
    issue = issue_of(judged(tmp_path, SUBSET, changed, SIGNALS))
    assert (issue.observed["changed_values"], issue.keys) == (1.0, ("2024-01-02/A",))


def test_a_repeated_key_and_a_wrong_count_are_named(tmp_path: Path) -> None:
    issue = issue_of(judged(tmp_path, SUBSET, INPUT[[0, 0, 3]], SIGNALS))
    assert issue.observed["repeated_keys"] == 2.0
    assert issue.observed["dates_of_another_count"] == 1.0
    dropped = INPUT[[0, 3]].drop("signal")
    assert issue_of(judged(tmp_path, SUBSET, dropped, SIGNALS)).observed["changed_values"] == 2.0


def test_a_decision_without_rows_has_the_wrong_count(tmp_path: Path) -> None:
    run = MeasuredRun(decisions=decided(*days(5)), inputs=SIGNALS.inputs)
    issue = issue_of(judged(tmp_path, SUBSET, INPUT[[0, 3]], run))
    assert issue.observed["dates_of_another_count"] == 3.0
    assert issue.keys == ("2024-01-04/", "2024-01-05/", "2024-01-06/")


def test_a_subset_without_its_input_was_not_measured(tmp_path: Path) -> None:
    issue = issue_of(judged(tmp_path, SUBSET, INPUT))
    assert issue.code == "guardrail.not_measured"
    assert issue.message.startswith("filter.subset was not measured: it needs")


@given_values(st.sets(st.integers(0, 29)), st.sets(st.integers(0, 9)))
def test_a_filter_holds_exactly_when_it_only_leaves_rows_out(kept: set[int], added: set[int]) -> None:
    rows = pl.DataFrame(
        {"date": [DAYS[0]] * 30, "entity": [str(n) for n in range(30)], "signal": [n / 30 for n in range(30)]}
    )
    more = rows.filter(pl.col("entity").is_in([str(n) for n in added])).with_columns(
        pl.concat_str(pl.lit("n"), "entity").alias("entity")
    )
    output = pl.concat([rows.filter(pl.col("entity").is_in([str(n) for n in kept])), more])
    run = MeasuredRun(inputs={"signals": given(rows)})
    figures = comparisons.subset(filter_subset.Config(role="signals"), output, run)
    assert figures is not None
    assert figures.breaching == len(added)


def test_three_decisions_without_a_row_are_not_covered(tmp_path: Path) -> None:
    law = contract("signal.coverage", entities=2)
    full = MeasuredRun(decisions=decided(*DAYS))
    assert judged(tmp_path, law, frame(), full).enforced_as == "passed"
    run = MeasuredRun(decisions=decided(*days(5)))
    issue = issue_of(judged(tmp_path, law, frame(), run))
    assert (issue.code, issue.rows) == ("signal.coverage", 3)
    assert issue.keys == ("2024-01-04/", "2024-01-05/", "2024-01-06/")
    assert issue.observed == {"dates": 5.0, "expected": 2.0, "minimum": 0.0, "maximum": 2.0}


def test_an_output_without_any_row_covers_none_of_its_decisions(tmp_path: Path) -> None:
    run = MeasuredRun(decisions=decided(*DAYS))
    assert issue_of(judged(tmp_path, contract("signal.coverage"), frame().clear(), run)).rows == 2


@given_values(present=st.sets(st.integers(0, 20)), expected=st.sets(st.integers(0, 20)))
def test_coverage_counts_each_decision_that_lacks_rows(present: set[int], expected: set[int]) -> None:
    rows = pl.DataFrame(
        {"date": pl.Series(sorted(days(21)[n] for n in present), dtype=pl.Date)}
    ).with_columns(entity=pl.lit("A"))
    run = MeasuredRun(decisions=decided(*(days(21)[n] for n in expected)))
    config: Any = frames.signal_coverage.Config(entities=1)
    figures = frames.coverage(config, rows, run)
    assert figures is not None
    assert figures.breaching == len(expected - present)
