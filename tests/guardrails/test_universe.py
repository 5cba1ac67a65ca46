"""R11: who is expected on a date is who was on the list as it was known at that date's decision."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.ports import MeasuredInput, MeasuredRun
from domain.guardrails.contract_errors import GuardrailContractMalformed
from domain.guardrails.definition_gate import judge_definition
from domain.guardrails.gates import check_contracts
from domain.guardrails.history import with_universe
from infrastructure.guardrail_measures import ParquetMeasurer
from infrastructure.guardrail_measures.universe import members
from tests.guardrails.judging import contract, issue_of, judged

LAW = contract("signal.coverage", universe="universe")
LISTED = date(2020, 1, 1)
EARLY = datetime(2020, 1, 1, 21, tzinfo=UTC)
DELISTED = datetime(2023, 3, 13, 13, tzinfo=UTC)
DAYS = (date(2023, 3, 10), date(2023, 3, 13), date(2023, 3, 14))
SCHEMA: Any = {
    "entity": pl.String,
    "date": pl.Date,
    "knowledge_date": pl.Datetime("us", "UTC"),
    "seq": pl.Int64,
    "op": pl.String,
}
CASE_9 = pl.DataFrame(
    [("E1", LISTED, EARLY, 1, "U"), ("E2", LISTED, EARLY, 2, "U"), ("E2", LISTED, DELISTED, 3, "D")],
    schema=SCHEMA,
    orient="row",
)


def closes(*days: date) -> dict[date, datetime]:
    return {day: datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in days}


def run(revisions: pl.DataFrame = CASE_9, *days: date) -> MeasuredRun:
    source = MeasuredInput(rows=revisions.clear, revisions=lambda: revisions)
    return MeasuredRun(decisions=closes(*(days or DAYS)), inputs={"universe": source})


def rows(*keys: tuple[date, str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"date": [day for day, _ in keys], "entity": [name for _, name in keys], "signal": [0.5] * len(keys)},
        schema={"date": pl.Date, "entity": pl.String, "signal": pl.Float64},
    )


BOTH = ((DAYS[0], "E1"), (DAYS[0], "E2"), (DAYS[1], "E1"), (DAYS[2], "E1"))


def test_the_delisted_entity_is_expected_until_its_delisting_was_known(tmp_path: Path) -> None:
    found = members(CASE_9, closes(*DAYS))
    assert sorted(found.rows()) == sorted(BOTH)
    assert judged(tmp_path, LAW, rows(*BOTH), run()).enforced_as == "passed"


def test_survivors_alone_do_not_cover_the_past(tmp_path: Path) -> None:
    survivors = [key for key in BOTH if key[1] == "E1"]
    issue = issue_of(judged(tmp_path, LAW, rows(*survivors), run()))
    assert (issue.code, issue.rows, issue.keys) == ("signal.coverage", 1, ("2023-03-10/E2",))
    assert issue.observed == {"dates": 3.0, "expected": 4.0, "missing": 1.0, "outside_the_universe": 0.0}
    assert issue.limit == {"entities": 4.0, "universe": "universe", "at_least": 1.0}
    half = contract("signal.coverage", universe="universe", at_least=0.5)
    assert judged(tmp_path, half, rows(*survivors), run()).enforced_as == "passed"


def test_a_universe_that_never_changed_is_a_warning_and_one_that_did_is_none(tmp_path: Path) -> None:
    whole = [(day, name) for day in DAYS for name in ("E1", "E2")]
    rows(*whole).write_parquet(tmp_path / "rows.parquet")
    for listed, decisions, warns in (
        (CASE_9.filter(pl.col("op") == "U"), DAYS, True),
        (CASE_9, DAYS, False),
        (CASE_9, DAYS[:1], False),
        (CASE_9.clear(), DAYS, False),
    ):
        measured = ParquetMeasurer().measure([LAW], tmp_path / "rows.parquet", run(listed, *decisions))
        report = with_universe(judged(tmp_path, LAW, rows(*whole), run(listed, *decisions)), measured)
        told = [issue.code for issue in report.issues if issue.severity == "warning"]
        assert told == (["pit.survivorship"] if warns else [])
        assert report.enforced_as != "warned" or warns


def test_who_is_not_on_the_list_covers_nothing(tmp_path: Path) -> None:
    strangers = [(day, "E3") for day in DAYS]
    issue = issue_of(judged(tmp_path, LAW, rows(*strangers), run()))
    assert (issue.rows, issue.observed["outside_the_universe"]) == (3, 3.0)


def test_a_row_without_a_value_covers_nothing_where_the_contract_looks_at_a_column(tmp_path: Path) -> None:
    law = contract("signal.coverage", universe="universe", column="signal")
    holes = rows(*BOTH).with_columns(signal=pl.Series([0.1, float("nan"), None, 0.2]))
    assert issue_of(judged(tmp_path, law, holes, run())).keys == ("2023-03-10/E2", "2023-03-13/E1")
    other = contract("signal.coverage", universe="universe", column="score")
    assert issue_of(judged(tmp_path, other, rows(*BOTH), run())).rows == 3


def test_an_empty_list_covers_no_decision_and_none_at_all_was_not_measured(tmp_path: Path) -> None:
    assert issue_of(judged(tmp_path, LAW, rows(*BOTH), run(CASE_9.clear()))).rows == 3
    without = MeasuredRun(decisions=closes(*DAYS))
    assert issue_of(judged(tmp_path, LAW, rows(*BOTH), without)).code == "guardrail.not_measured"


def test_a_number_and_a_list_together_make_no_sense_and_the_list_has_to_be_an_input() -> None:
    with pytest.raises(GuardrailContractMalformed, match="both given"):
        check_contracts([contract("signal.coverage", universe="universe", entities=3)])
    (issue,) = judge_definition("ml_module_def:a@1.0.0", [LAW], {"signal": "float64"}, ["prices"]).issues
    assert issue.code == "guardrail.role_unknown"


_ROWS = st.lists(
    st.tuples(st.sampled_from("AB"), st.integers(0, 1), st.integers(0, 6), st.sampled_from("UD")), max_size=12
)


@given(_ROWS)
def test_members_are_those_that_a_read_as_of_each_decision_finds(
    stored: list[tuple[str, int, int, str]],
) -> None:
    table = pl.DataFrame(
        [
            (name, LISTED + timedelta(days=day), EARLY + timedelta(days=known), seq, op)
            for seq, (name, day, known, op) in enumerate(stored)
        ],
        schema=SCHEMA,
        orient="row",
    )
    decisions = closes(*(LISTED + timedelta(days=n) for n in range(-1, 8)))
    expected = [
        (day, name)
        for day, moment in sorted(decisions.items())
        for name in sorted(_read_as_of(table, moment))
    ]
    assert sorted(members(table, decisions).rows()) == expected


def _read_as_of(table: pl.DataFrame, moment: datetime) -> set[str]:
    """R2 as it is written, a key at a time."""
    known = table.filter(pl.col("knowledge_date") <= moment).sort("knowledge_date", "seq")
    last = {(row["entity"], row["date"]): row["op"] for row in known.iter_rows(named=True)}
    return {entity for (entity, _), op in last.items() if op == "U"}
