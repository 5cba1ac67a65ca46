"""Kinds that judge datasets and models: form, point in time, age, coverage, stability."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given as given_values
from hypothesis import strategies as st

from application.ports import MeasuredInput, MeasuredRun
from domain.guardrails import (
    dataset_coverage,
    dataset_freshness,
    dataset_pit,
    dataset_schema,
    model_freshness,
    model_stability,
)
from domain.guardrails.contract_errors import GuardrailContractMalformed
from domain.guardrails.contracts import Contract
from domain.guardrails.gates import check_contracts
from domain.guardrails.kinds import KINDS, config_schema
from infrastructure.calendars import ExchangeSessions
from infrastructure.guardrail_measures import comparisons, datasets
from tests.guardrails.judging import DAYS, contract, frame, given, issue_of, judged

CLOSES = {day: datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in DAYS}
SCHEMA = contract("dataset.schema", columns={"close": "float64", "note": "string"}, nullable=["note"])
FRESH = contract("dataset.freshness", role="prices", sessions=3)
COVERED = contract("dataset.coverage", entities=["A", "B"], column="signal")
STABLE = contract("model.stability", column="score", at_least=0.7, reference="former")
DECIDED = MeasuredRun(decisions=CLOSES)


def known(rows: pl.DataFrame, **offset: float) -> pl.DataFrame:
    """Rows known so long after 21:00 UTC of their date."""
    at = pl.col("date").cast(pl.Datetime("us", "UTC")) + pl.duration(hours=21) + timedelta(**offset)
    return rows.with_columns(knowledge_date=at)


def priced_until(last: date, as_of: datetime) -> MeasuredRun:
    rows = pl.DataFrame({"date": [last - timedelta(days=30), last], "entity": ["A", "A"]})
    closes = ExchangeSessions().closes
    prices = MeasuredInput(rows=lambda: rows, sessions=lambda first, end: closes("XNYS", first, end))
    return MeasuredRun(as_of=as_of, inputs={"prices": prices})


def test_rows_of_the_declared_form_pass_and_null_is_a_value_where_it_may_be(tmp_path: Path) -> None:
    rows = frame(close=[1.0] * 4, note=["a", None, "b", "c"], more=[1] * 4)
    assert judged(tmp_path, SCHEMA, rows).enforced_as == "passed"


def test_a_form_that_is_not_the_declared_one_is_counted(tmp_path: Path) -> None:
    rows = frame(close=[1.0, None, float("inf"), float("nan")], note=[1] * 4)
    issue = issue_of(judged(tmp_path, SCHEMA, rows))
    assert issue.observed == {
        "missing_columns": 0.0,
        "columns_of_another_type": 1.0,
        "rows_with_a_repeated_key": 0.0,
        "rows_with_a_null": 1.0,
        "rows_with_an_infinite_value": 2.0,
    }
    assert issue.rows == 3


def test_an_empty_frame_of_the_form_passes_and_one_without_the_column_does_not(tmp_path: Path) -> None:
    empty = frame(close=[1.0] * 4, note=["a"] * 4).clear()
    assert judged(tmp_path, SCHEMA, empty).ok
    assert issue_of(judged(tmp_path, SCHEMA, empty.drop("close"))).observed["missing_columns"] == 1.0


@given_values(st.lists(st.sampled_from("ABCD"), max_size=12))
def test_a_key_repeats_whatever_the_order_of_rows(entities: list[str]) -> None:
    rows = pl.DataFrame({"date": [DAYS[0]] * len(entities), "entity": pl.Series(entities, dtype=pl.String)})
    figures = datasets.schema(dataset_schema.Config(columns={"x": "int64"}), rows, MeasuredRun())
    assert figures is not None
    assert figures.breaching == sum(entities.count(one) > 1 for one in entities)


def test_a_row_known_at_its_decision_passes_and_one_known_after_it_does_not(tmp_path: Path) -> None:
    law = contract("dataset.pit")
    assert judged(tmp_path, law, known(frame()), DECIDED).enforced_as == "passed"
    issue = issue_of(judged(tmp_path, law, known(frame(), microseconds=1), DECIDED))
    assert (issue.rows, issue.observed["rows_known_too_late"]) == (4, 4.0)


def test_a_row_on_a_date_without_decision_breaks_point_in_time(tmp_path: Path) -> None:
    run = MeasuredRun(decisions={DAYS[0]: CLOSES[DAYS[0]]})
    issue = issue_of(judged(tmp_path, contract("dataset.pit"), known(frame()), run))
    assert (issue.observed["rows_on_no_decision"], issue.keys) == (2.0, ("2024-01-03/A", "2024-01-03/B"))


def test_a_forecast_row_is_for_datasets_that_look_forward(tmp_path: Path) -> None:
    early = known(frame(), hours=-21, microseconds=-1)
    issue = issue_of(judged(tmp_path, contract("dataset.pit"), early, DECIDED))
    assert issue.observed["rows_known_before_their_date"] == 4.0
    assert judged(tmp_path, contract("dataset.pit", forward_looking=True), early, DECIDED).ok
    assert judged(tmp_path, contract("dataset.pit", early_days=1), early, DECIDED).ok
    assert judged(tmp_path, contract("dataset.pit"), known(frame(), hours=-21), DECIDED).ok
    assert judged(tmp_path, contract("dataset.pit", zone="Asia/Tokyo"), early, DECIDED).ok


def test_an_input_is_judged_at_the_runs_as_of(tmp_path: Path) -> None:
    run = MeasuredRun(as_of=CLOSES[DAYS[0]], inputs={"prices": given(known(frame()))})
    issue = issue_of(judged(tmp_path, contract("dataset.pit", role="prices"), frame(), run))
    assert issue.rows == 2


@given_values(st.lists(st.integers(-30, 30), min_size=1, max_size=20))
def test_point_in_time_breaks_exactly_for_the_rows_known_outside_their_time(hours: list[int]) -> None:
    keys = {"date": [DAYS[0]] * len(hours), "entity": [str(n) for n in range(len(hours))]}
    moments = [CLOSES[DAYS[0]] + timedelta(hours=n) for n in hours]
    rows = pl.DataFrame(keys | {"knowledge_date": pl.Series(moments, dtype=pl.Datetime("us", "UTC"))})
    figures = datasets.pit(dataset_pit.Config(), rows, DECIDED)
    assert figures is not None
    assert figures.breaching == sum(n > 0 or n < -21 for n in hours)


def test_prices_of_2022_are_seven_sessions_old_on_the_ninth_of_january(tmp_path: Path) -> None:
    run = priced_until(date(2022, 12, 28), datetime(2023, 1, 9, 21, tzinfo=UTC))
    issue = issue_of(judged(tmp_path, FRESH, frame(), run))
    assert issue.observed == {"age_sessions": 7.0}
    assert issue.limit == {"role": "prices", "sessions": 3}
    assert issue.message == "prices is 7 sessions old, the limit is 3"


def test_an_age_at_its_limit_passes_and_a_session_counts_when_it_has_closed(tmp_path: Path) -> None:
    last = date(2022, 12, 28)
    assert judged(tmp_path, FRESH, frame(), priced_until(last, datetime(2023, 1, 3, 21, tzinfo=UTC))).ok
    assert judged(tmp_path, FRESH, frame(), priced_until(last, datetime(2023, 1, 4, 20, tzinfo=UTC))).ok
    assert not judged(tmp_path, FRESH, frame(), priced_until(last, datetime(2023, 1, 4, 21, tzinfo=UTC))).ok


def test_an_input_without_rows_has_no_age_and_one_without_calendar_none_in_sessions(tmp_path: Path) -> None:
    run = priced_until(date(2022, 12, 28), datetime(2023, 1, 3, 21, tzinfo=UTC))
    empty = MeasuredInput(rows=lambda: frame().clear(), sessions=run.inputs["prices"].sessions)
    nothing = MeasuredRun(as_of=run.as_of, inputs={"prices": empty})
    assert issue_of(judged(tmp_path, FRESH, frame(), nothing)).message == "prices holds no row"
    bare = MeasuredRun(as_of=run.as_of, inputs={"prices": given(frame())})
    assert issue_of(judged(tmp_path, FRESH, frame(), bare)).code == "guardrail.not_measured"


@given_values(age=st.integers(0, 40), limit=st.integers(0, 40))
def test_freshness_counts_every_session_since_the_newest_row(age: int, limit: int) -> None:
    rows = pl.DataFrame({"date": [DAYS[0]], "entity": ["A"]})
    every_day = [(DAYS[0] + timedelta(days=n), CLOSES[DAYS[0]] + timedelta(days=n)) for n in range(age + 1)]
    source = MeasuredInput(rows=lambda: rows, sessions=lambda _first, _last: every_day)
    run = MeasuredRun(as_of=CLOSES[DAYS[0]] + timedelta(days=age), inputs={"prices": source})
    config = dataset_freshness.Config(role="prices", sessions=limit)
    figures = datasets.freshness(config, rows, run)
    assert figures is not None
    assert (figures.observed["age_sessions"], figures.breaching) == (age, int(age > limit))


def test_null_is_present_and_a_row_that_is_not_there_is_missing(tmp_path: Path) -> None:
    dates = [date(2024, 1, day) for day in (2, 3, 4)]
    rows = pl.DataFrame({"date": dates[:2], "entity": ["A", "A"], "signal": [7.0, None]})
    run = MeasuredRun(decisions=dict.fromkeys(dates, CLOSES[DAYS[1]]))
    issue = issue_of(judged(tmp_path, contract("dataset.coverage", column="signal"), rows, run))
    assert issue.observed == {"expected": 3.0, "present": 2.0, "null": 1.0, "missing": 1.0}
    assert issue.keys == ("2024-01-03/A", "2024-01-04/A")
    law = contract("dataset.coverage", column="signal", nulls=True, at_least=2 / 3)
    assert judged(tmp_path, law, rows, run).enforced_as == "passed"


def test_an_entity_that_vanishes_is_missing(tmp_path: Path) -> None:
    assert judged(tmp_path, COVERED, frame(signal=[0.0] * 4), DECIDED).enforced_as == "passed"
    gone = frame(signal=[0.0] * 4).filter(pl.col("entity") == "A")
    assert issue_of(judged(tmp_path, COVERED, gone, DECIDED)).keys == ("2024-01-02/B", "2024-01-03/B")


def test_rows_without_the_column_cover_nothing_and_unknown_dates_measure_nothing(tmp_path: Path) -> None:
    assert issue_of(judged(tmp_path, COVERED, frame(), DECIDED)).observed["null"] == 4.0
    assert issue_of(judged(tmp_path, COVERED, frame(signal=[0.0] * 4))).code == "guardrail.not_measured"


@given_values(st.sets(st.tuples(st.integers(0, 5), st.sampled_from("ABC"))))
def test_present_and_missing_are_all_that_is_expected(there: set[tuple[int, str]]) -> None:
    dates = [DAYS[0] + timedelta(days=n) for n in range(6)]
    schema: Any = {"date": pl.Date, "entity": pl.String}
    rows = pl.DataFrame([(dates[n], one) for n, one in there], schema=schema, orient="row")
    run = MeasuredRun(decisions=dict.fromkeys(dates[:4], CLOSES[DAYS[0]]))
    figures = datasets.coverage(dataset_coverage.Config(entities=("A", "B")), rows, run)
    assert figures is not None
    present = sum(n < 4 and one != "C" for n, one in there)
    assert figures.observed == {"expected": 8.0, "present": present, "null": 0.0, "missing": 8.0 - present}


def scored(*values: float) -> pl.DataFrame:
    names = [f"feature{n}" for n in range(len(values))]
    return pl.DataFrame({"date": [DAYS[0]] * len(values), "entity": names, "score": values})


def test_scores_that_rank_as_before_are_stable_and_those_that_do_not_are_told(tmp_path: Path) -> None:
    run = MeasuredRun(inputs={"former": given(scored(0.1, 0.2, 0.3, 0.4))})
    assert judged(tmp_path, STABLE, scored(1.0, 2.0, 3.0, 4.0), run).enforced_as == "passed"
    assert judged(tmp_path, STABLE, scored(1.0, 2.0, 4.0, 3.0), run).ok
    issue = issue_of(judged(tmp_path, STABLE, scored(4.0, 2.0, 3.0, 1.0), run))
    assert issue.observed["rank_correlation"] == pytest.approx(-0.8)


def test_two_dates_are_compared_when_the_contract_takes_the_newest(tmp_path: Path) -> None:
    later = scored(1.0, 2.0, 3.0).with_columns(date=pl.lit(DAYS[1]))
    run = MeasuredRun(inputs={"former": given(scored(0.1, 0.2, 0.3))})
    assert "shares too little" in issue_of(judged(tmp_path, STABLE, later, run)).message
    law = contract("model.stability", column="score", at_least=1.0, reference="former", match="newest")
    assert judged(tmp_path, law, later, run).ok


def test_constant_scores_have_no_rank_and_no_reference_is_said_by_name(tmp_path: Path) -> None:
    run = MeasuredRun(inputs={"former": given(scored(0.1, 0.2))})
    assert issue_of(judged(tmp_path, STABLE, scored(1.0, 1.0), run)).code == "model.stability"
    law = contract("model.stability", column="score", at_least=0.7)
    message = issue_of(judged(tmp_path, law, scored(1.0, 2.0), run)).message
    assert message == "model.stability was not measured: it needs a reference to be compared with"


@given_values(st.lists(st.integers(-1000, 1000), min_size=2, max_size=20, unique=True))
def test_a_growing_change_of_scale_leaves_the_rank_correlation_at_one(values: list[int]) -> None:
    run = MeasuredRun(inputs={"former": given(scored(*(float(n) for n in values)))})
    config = model_stability.Config(column="score", at_least=0.999, reference="former")
    figures = comparisons.stability(config, scored(*(n * 3.0 + 1 for n in values)), run)
    assert figures is not None
    assert figures.breaching == 0


def test_a_model_may_be_as_old_as_its_limit_and_not_older(tmp_path: Path) -> None:
    law = contract("model.freshness", days=7)
    trained = CLOSES[DAYS[0]]
    week = MeasuredRun(as_of=trained + timedelta(days=7), trained_as_of=trained)
    assert judged(tmp_path, law, frame(), week).enforced_as == "passed"
    older = MeasuredRun(as_of=trained + timedelta(days=7, seconds=1), trained_as_of=trained)
    assert issue_of(judged(tmp_path, law, frame(), older)).code == "model.freshness"
    assert issue_of(judged(tmp_path, law, frame())).code == "guardrail.not_measured"


@given_values(seconds=st.integers(0, 10**7), days=st.integers(1, 100))
def test_the_age_of_a_model_breaks_its_limit_exactly_when_it_is_greater(seconds: int, days: int) -> None:
    trained = CLOSES[DAYS[0]]
    run = MeasuredRun(as_of=trained + timedelta(seconds=seconds), trained_as_of=trained)
    figures = comparisons.age(model_freshness.Config(days=days), frame(), run)
    assert figures is not None
    assert figures.breaching == int(seconds > days * 86_400)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_has_a_schema_and_refuses_an_unknown_field_by_name(kind: str) -> None:
    schema = config_schema(kind)
    assert schema["$defs"]["Config"]["additionalProperties"] is False
    with pytest.raises(GuardrailContractMalformed, match=r"surprise|required"):
        check_contracts([Contract(kind=kind, config={"surprise": 1})])


@pytest.mark.parametrize(
    ("law", "words"),
    [
        (contract("dataset.schema", columns={"a": "int64"}, nullable=["b"]), "no column"),
        (contract("dataset.pit", zone="Mars/Olympus"), "time zone"),
        (contract("dataset.pit", early_days=-1), ">= 0"),
        (contract("dataset.freshness", role="prices", sessions=-1), ">= 0"),
        (contract("dataset.coverage", entities=["A", "A"]), "twice"),
        (contract("dataset.coverage", entities=[]), "none"),
        (contract("model.stability", column="s", at_least=1.1), "<= 1"),
        (contract("model.freshness", days=0), "> 0"),
        (contract("regime.labels", labels=["a", "a"]), "twice"),
        (contract("filter.subset", role="signals", columns=["a", "a"]), "twice"),
        (contract("filter.subset", role="signals", per_date=0), ">= 1"),
        (contract("relevance.scores", colum="score"), "unknown field `colum`"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused_with_its_reason(law: Contract, words: str) -> None:
    with pytest.raises(GuardrailContractMalformed, match=words):
        check_contracts([law])


def test_all_fourteen_kinds_of_the_domain_have_a_judge() -> None:
    assert len(KINDS) == 14
