"""What is judged before anything runs: declarations and facts of versions, never more than they say."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given as given_values
from hypothesis import strategies as st
from msgspec.structs import replace

from application.ports import MeasuredInput, MeasuredRun
from domain.guardrails import dataset_coverage
from domain.guardrails.contracts import Contract
from domain.guardrails.events import GateReport
from domain.guardrails.gates import evaluate
from domain.guardrails.stated import WITH_A_MOMENT, WITHOUT_A_MOMENT, StatedInput, stated
from infrastructure.guardrail_measures import datasets
from tests.guardrails.judging import contract
from tests.support.adapters import WeekdaySessions

NEWEST = date(2024, 1, 5)
PRICES = StatedInput(
    columns={"close": "float64", "name": "string"},
    forward_looking=False,
    early_days=0,
    newest=NEWEST,
    entities=2,
    keys=20,
    sessions=10,
    age=0,
    is_all_known=True,
)


def report(
    law: Contract, prices: StatedInput = PRICES, use: Any = "inference", age: Any = None
) -> GateReport:
    judgeable, figures = stated([law], {"prices": prices}, use, age)
    return evaluate("run_submit", "inference_run:x", judgeable, figures, None, "official")


def verdict(law: Contract, prices: StatedInput = PRICES, use: Any = "inference", age: Any = None) -> str:
    """Passed, blocked, or nothing where the contract is left to another gate."""
    judged = report(law, prices, use, age)
    return judged.enforced_as if judged.contracts else ""


def test_declared_columns_and_types_are_judged_without_a_row() -> None:
    law = contract("dataset.schema", role="prices", columns={"close": "float64"})
    assert verdict(law) == "passed"
    assert verdict(law, use=None) == "passed"
    wrong = contract("dataset.schema", role="prices", columns={"close": "int64", "volume": "int64"})
    (issue,) = report(wrong).issues
    assert issue.code == "dataset.schema"
    assert issue.observed == {"missing_columns": 1.0, "columns_of_another_type": 1.0}


@pytest.mark.parametrize(("age", "answer"), [(0, "passed"), (3, "passed"), (4, "blocked")])
def test_stale_data_is_refused_before_the_run_and_the_limit_is_inclusive(age: int, answer: str) -> None:
    law = contract("dataset.freshness", role="prices", sessions=3)
    assert verdict(law, replace(PRICES, age=age)) == answer


def test_the_age_of_data_is_for_predictions_and_needs_a_calendar_and_a_moment() -> None:
    law = contract("dataset.freshness", role="prices", sessions=3)
    old = replace(PRICES, age=9)
    assert verdict(law, old, "training") == ""
    assert verdict(law, old, None) == ""
    assert verdict(law, replace(old, age=None)) == ""


def test_an_input_without_any_row_has_no_age_and_is_refused() -> None:
    law = contract("dataset.freshness", role="prices", sessions=3)
    (issue,) = report(law, replace(PRICES, newest=None, age=None)).issues
    assert issue.message == "prices holds no row"


@pytest.mark.parametrize(("age", "answer"), [(7.0, "passed"), (7.1, "blocked"), (None, "")])
def test_the_age_of_the_model_is_judged_where_there_is_one(age: float | None, answer: str) -> None:
    assert verdict(contract("model.freshness", days=7), age=age) == answer
    assert verdict(contract("model.freshness", days=7), use=None, age=age) == ""


def test_keys_that_even_the_whole_version_has_not_are_missing() -> None:
    law = contract("dataset.coverage", role="prices", entities=["A", "B", "C"])
    (issue,) = report(law).issues
    assert (issue.code, issue.rows) == ("dataset.coverage", 10)
    assert issue.observed == {"expected": 30.0, "present": 20.0, "missing": 10.0}
    assert verdict(contract("dataset.coverage", role="prices", entities=["A", "B"])) == "passed"
    assert verdict(contract("dataset.coverage", role="prices"), replace(PRICES, keys=19)) == "blocked"


def test_coverage_of_rows_of_a_later_time_or_without_a_calendar_is_left_to_who_reads_them() -> None:
    law = contract("dataset.coverage", role="prices", entities=["A", "B", "C"])
    assert verdict(law, replace(PRICES, is_all_known=False)) == ""
    assert verdict(law, replace(PRICES, sessions=None)) == ""
    assert verdict(law, replace(PRICES, sessions=0)) == ""


def test_a_dataset_that_may_hold_forecasts_is_left_to_who_reads_it() -> None:
    law = contract("dataset.pit", role="prices", early_days=1)
    assert verdict(law) == "passed"
    assert verdict(law, replace(PRICES, early_days=2)) == ""
    assert verdict(law, replace(PRICES, forward_looking=True)) == ""
    lenient = contract("dataset.pit", role="prices", forward_looking=True)
    assert verdict(lenient, replace(PRICES, forward_looking=True)) == "passed"


@pytest.mark.parametrize(
    "law",
    [
        contract("signal.bounds"),
        contract("dataset.schema", columns={"signal": "float64"}),
        contract("dataset.freshness", role="macro", sessions=1),
        contract("model.performance", metric="rank_ic", at_least=0.0),
    ],
)
def test_what_is_about_the_output_or_an_input_that_is_not_there_is_another_gates(law: Contract) -> None:
    assert verdict(law) == ""


def test_an_instance_is_judged_by_what_has_no_moment() -> None:
    assert set(WITH_A_MOMENT) - set(WITHOUT_A_MOMENT) == {"dataset.freshness", "model.freshness"}


@given_values(
    present=st.sets(st.tuples(st.integers(0, 13), st.sampled_from("ABC")), min_size=1),
    names=st.none() | st.sets(st.sampled_from("ABCD"), min_size=1),
    at_least=st.sampled_from([0.25, 0.5, 0.9, 1.0]),
)
def test_what_is_refused_on_stated_facts_would_be_refused_on_the_rows_too(
    present: set[tuple[int, str]], names: set[str] | None, at_least: float
) -> None:
    first = date(2024, 1, 1)
    rows = pl.DataFrame(
        {
            "date": [first + timedelta(days=n) for n, _ in sorted(present)],
            "entity": [entity for _, entity in sorted(present)],
        }
    )
    days = rows["date"].to_list()
    as_of = datetime(2024, 1, 14, 23, tzinfo=UTC)
    closed = WeekdaySessions().closes("XNYS", min(days), as_of.date())
    facts = replace(PRICES, entities=rows["entity"].n_unique(), keys=rows.height, sessions=len(closed))
    entities = None if names is None else tuple(sorted(names))
    config = dataset_coverage.Config(role="prices", entities=entities, at_least=at_least)
    law = contract(
        "dataset.coverage",
        role="prices",
        at_least=at_least,
        **({} if names is None else {"entities": entities}),
    )
    if verdict(law, facts) != "blocked":
        return
    source = MeasuredInput(
        rows=lambda: rows, sessions=lambda begin, end: WeekdaySessions().closes("XNYS", begin, end)
    )
    figures = datasets.coverage(config, rows, MeasuredRun(as_of=as_of, inputs={"prices": source}))
    assert figures is not None
    assert figures.breaching > (1 - at_least) * figures.observed["expected"] - 1e-9
