"""Bad rows, each through the real measurer and the real gate: every one has a refusal with a name."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.ports import MeasuredInput, MeasuredRun
from domain.guardrails import model_performance, regime_probabilities, signal_schema
from domain.guardrails.contracts import Contract
from infrastructure.guardrail_measures import frames
from tests.guardrails.judging import DAYS, contract, frame, issue_of, judged
from tests.support.adapters import WeekdaySessions

BOUNDED = contract("signal.bounds")
FORMED = contract("signal.schema", columns={"signal": "float64"})
COVERED = contract("signal.coverage", entities=2, column="signal")
SUMMED = contract("regime.probabilities", columns=["up", "down"])
SCORED = contract("relevance.scores")
RANKED = contract("model.stability", column="signal", at_least=0.5, reference="former")
FRESH = contract("dataset.freshness", role="former", sessions=3)
WHOLE = contract("dataset.schema", role="former", columns={"signal": "float64"})
GOOD = frame(signal=[0.1, -0.2, 0.3, -0.4])
NAN, INF = float("nan"), float("inf")


def beside(former: pl.DataFrame, as_of: datetime = datetime(2024, 1, 3, 22, tzinfo=UTC)) -> MeasuredRun:
    """A run that read these rows, on the weekdays' calendar."""
    source = MeasuredInput(
        rows=lambda: former, sessions=lambda first, last: WeekdaySessions().closes("XNYS", first, last)
    )
    return MeasuredRun(as_of=as_of, inputs={"former": source})


@pytest.mark.parametrize(
    ("what", "law", "rows", "observed"),
    [
        ("text for numbers", BOUNDED, frame(signal=["1"] * 4), {}),
        ("whole numbers for real ones", FORMED, frame(signal=[1] * 4), {"columns_of_another_type": 1.0}),
        ("flags for numbers", SCORED, frame(score=[True] * 4), {}),
        ("an infinite value", BOUNDED, frame(signal=[0.0, INF, 0.0, 0.0]), {"maximum": 0.0}),
        ("a value below all", BOUNDED, frame(signal=[0.0, -INF, 0.0, 0.0]), {"minimum": 0.0}),
        ("no number", BOUNDED, frame(signal=[NAN] * 4), {}),
        ("no row", COVERED, GOOD.clear(), {"dates": 0.0}),
        ("one row", COVERED, GOOD.head(1), {"minimum": 1.0}),
        ("one row of a rank", RANKED, GOOD.head(1), {"dates": 0.0}),
        ("a constant column", RANKED, frame(signal=[0.5] * 4), {"dates": 0.0}),
        ("scores that are no number", SCORED, frame(score=[NAN, 0.1, 0.2, 0.3]), {"minimum": 0.1}),
        ("a key twice", FORMED, pl.concat([GOOD, GOOD.head(1)]), {"rows_with_a_repeated_key": 2.0}),
        ("a sum that is not one", SUMMED, frame(up=[0.5] * 4, down=[0.6] * 4), {"largest_error": 0.1}),
        ("a sum of nothing", SUMMED, frame(up=[None] * 4, down=[1.0] * 4), {}),
        ("a negative part of one", SUMMED, frame(up=[1.5] * 4, down=[-0.5] * 4), {"largest_error": 0.0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_predictions_are_refused_by_name(
    tmp_path: Path, what: str, law: Contract, rows: pl.DataFrame, observed: dict[str, float]
) -> None:
    issue = issue_of(judged(tmp_path, law, rows, beside(GOOD)))
    assert issue.code == law.kind, what
    assert issue.rows or observed
    for name, value in observed.items():
        assert issue.observed[name] == pytest.approx(value), what


@pytest.mark.parametrize(
    ("what", "law", "rows", "observed"),
    [
        ("another type", WHOLE, frame(signal=["a"] * 4), {"columns_of_another_type": 1.0}),
        (
            "an infinite value",
            WHOLE,
            frame(signal=[INF, NAN, 0.0, 0.0]),
            {"rows_with_an_infinite_value": 2.0},
        ),
        ("a missing value", WHOLE, frame(signal=[None, 0.0, 0.0, 0.0]), {"rows_with_a_null": 1.0}),
        ("a missing column", WHOLE, frame(other=[0.0] * 4), {"missing_columns": 1.0}),
        ("a key twice", WHOLE, pl.concat([GOOD, GOOD]), {"rows_with_a_repeated_key": 8.0}),
        ("no row", FRESH, GOOD.clear(), {}),
        ("stale rows", FRESH, GOOD.with_columns(date=date(2023, 12, 20)), {"age_sessions": 10.0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_inputs_are_refused_by_name(
    tmp_path: Path, what: str, law: Contract, rows: pl.DataFrame, observed: dict[str, float]
) -> None:
    issue = issue_of(judged(tmp_path, law, GOOD, beside(rows)))
    assert issue.code == law.kind, what
    for name, value in observed.items():
        assert issue.observed[name] == value, what


def test_one_row_and_a_constant_column_are_no_crime_by_themselves(tmp_path: Path) -> None:
    for law in (BOUNDED, FORMED):
        assert judged(tmp_path, law, GOOD.head(1)).enforced_as == "passed"
        assert judged(tmp_path, law, frame(signal=[0.5] * 4)).enforced_as == "passed"


def test_an_entity_that_vanishes_is_missed_on_its_first_day_and_named(tmp_path: Path) -> None:
    law = contract("dataset.coverage", entities=["A", "B"], column="signal")
    decided = MeasuredRun(decisions={day: datetime(2024, 1, 9, tzinfo=UTC) for day in DAYS})
    assert issue_of(judged(tmp_path, law, GOOD.head(3), decided)).keys == ("2024-01-03/B",)


_VALUES = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(_VALUES, _VALUES), min_size=1, max_size=20))
def test_probabilities_hold_exactly_for_rows_in_zero_to_one_that_sum_to_one(rows: list[Any]) -> None:
    keys = {"date": [DAYS[0]] * len(rows), "entity": [str(n) for n in range(len(rows))]}
    values = pl.DataFrame(
        keys | {"up": [up for up, _ in rows], "down": [down for _, down in rows]},
        schema_overrides={"up": pl.Float64, "down": pl.Float64},
    )
    config = regime_probabilities.Config(columns=("up", "down"), tolerance=1e-6)
    figures = frames.probabilities(config, values, MeasuredRun())
    assert figures.breaching == sum(not _is_distribution(up, down) for up, down in rows)


def _is_distribution(up: float | None, down: float | None) -> bool:
    if up is None or down is None:
        return False
    inside = all(-1e-6 <= value <= 1 + 1e-6 for value in (up, down))
    return inside and abs(up + down - 1.0) <= 1e-6


@given(st.floats(0, 1), st.integers(1, 20))
def test_a_probability_and_its_rest_always_hold(up: float, count: int) -> None:
    days = [DAYS[0] + timedelta(days=n) for n in range(count)]
    rows = pl.DataFrame({"date": days, "entity": [""] * count, "up": [up] * count, "down": [1 - up] * count})
    config = regime_probabilities.Config(columns=("up", "down"))
    assert frames.probabilities(config, rows, MeasuredRun()).breaching == 0


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(["int64", "float64", "string"])),
    st.lists(st.sampled_from("AB"), min_size=1, max_size=6),
)
def test_a_form_holds_exactly_when_each_column_is_there_in_its_type_and_no_key_repeats(
    have: dict[str, str], entities: list[str]
) -> None:
    values = {"int64": 1, "float64": 1.0, "string": "x"}
    count = len(entities)
    rows = pl.DataFrame(
        {"date": [DAYS[0]] * count, "entity": entities}
        | {name: [values[kind]] * count for name, kind in have.items()}
    )
    config = signal_schema.Config(columns={"a": "int64", "b": "float64"})
    wrong = {name for name, value in frames.schema(config, rows, MeasuredRun()).observed.items() if value}
    expected = {
        "missing_columns": not {"a", "b"} <= set(have),
        "columns_of_another_type": have.get("a", "int64") != "int64" or have.get("b", "float64") != "float64",
        "rows_with_a_repeated_key": len(set(entities)) < count,
    }
    assert wrong == {name for name, is_wrong in expected.items() if is_wrong}


@given(st.none() | st.floats(), st.floats(-1, 1), st.floats(0, 1))
def test_a_metric_holds_exactly_from_its_floor_to_its_ceiling(
    value: float | None, floor: float, room: float
) -> None:
    config = model_performance.Config(metric="rank_ic", at_least=floor, at_most=floor + room)
    metrics = {} if value is None else {"rank_ic": value}
    holds = value is not None and floor <= value <= floor + room
    assert (model_performance.judge(config, metrics) is None) == holds
