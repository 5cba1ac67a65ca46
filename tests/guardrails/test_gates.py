"""Contracts are judged on measurements and metrics; the verdict depends on nothing else."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.ports import MeasuredRun
from domain.guardrails import signal_bounds
from domain.guardrails.contract_errors import GuardrailContractMalformed, GuardrailKindUnknown
from domain.guardrails.contracts import Contract
from domain.guardrails.events import GateReport
from domain.guardrails.gates import check_contracts, evaluate
from domain.guardrails.kinds import KINDS
from domain.guardrails.measurements import Measurement, Measurements
from infrastructure.guardrail_measures import ParquetMeasurer, frames

DAYS = [date(2024, 1, 2), date(2024, 1, 3)]


def contract(kind: str, enforce: Any = "by_space", **config: Any) -> Contract:
    return Contract(kind=kind, config=config, enforce=enforce)


def frame(**columns: Any) -> pl.DataFrame:
    keys = {"date": [day for day in DAYS for _ in range(2)], "entity": ["A", "B"] * 2}
    return pl.DataFrame(keys | columns)


def judged(tmp_path: Path, law: Contract, rows: pl.DataFrame, space: Any = "staging") -> GateReport:
    path = tmp_path / "rows.parquet"
    rows.write_parquet(path)
    measured = ParquetMeasurer().measure([law], path, MeasuredRun(entities=2))
    return evaluate("run_complete", "inference_run:x", [law], measured, None, space)


def performance(law: Contract, space: Any = "staging", **metrics: float) -> GateReport:
    return evaluate("run_complete", "training_run:x", [law], None, metrics, space)


def test_a_signal_inside_its_bounds_passes_and_the_bounds_belong_to_it(tmp_path: Path) -> None:
    report = judged(tmp_path, contract("signal.bounds"), frame(signal=[-1.0, 1.0, 0.0, 0.5]))
    assert report.ok
    assert report.enforced_as == "passed"
    assert report.contracts == (contract("signal.bounds").key(),)


def test_a_signal_outside_its_bounds_is_reported_with_rows_extremes_and_keys(tmp_path: Path) -> None:
    report = judged(tmp_path, contract("signal.bounds"), frame(signal=[-1.2, 1.0, 0.0, 1.2]))
    (issue,) = report.issues
    assert (issue.code, issue.rows, issue.keys) == ("signal.bounds", 2, ("2024-01-02/A", "2024-01-03/B"))
    assert issue.observed == {"minimum": -1.2, "maximum": 1.2}
    assert not report.ok


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf"), float("-inf")])
def test_a_missing_or_infinite_signal_is_out_of_bounds(tmp_path: Path, bad: float | None) -> None:
    report = judged(tmp_path, contract("signal.bounds"), frame(signal=[0.0, 0.0, 0.0, bad]))
    assert report.issues[0].rows == 1


def test_an_output_without_the_column_breaks_its_bounds(tmp_path: Path) -> None:
    assert judged(tmp_path, contract("signal.bounds"), frame(other=[0.0] * 4)).issues[0].rows == 4


def test_a_contract_is_enforced_by_the_space_unless_it_says_otherwise(tmp_path: Path) -> None:
    bad = frame(signal=[2.0] * 4)
    assert judged(tmp_path, contract("signal.bounds"), bad, "staging").enforced_as == "warned"
    assert judged(tmp_path, contract("signal.bounds"), bad, "official").enforced_as == "blocked"
    assert judged(tmp_path, contract("signal.bounds", "block"), bad, "staging").enforced_as == "blocked"
    warned = judged(tmp_path, contract("signal.bounds", "warn"), bad, "official")
    assert (warned.enforced_as, warned.ok, warned.issues[0].severity) == ("warned", True, "warning")


def test_a_schema_holds_with_its_columns_types_and_unique_keys(tmp_path: Path) -> None:
    law = contract("signal.schema", columns={"signal": "float64", "n": "int64"})
    assert judged(tmp_path, law, frame(signal=[0.0] * 4, n=[1] * 4)).ok


def test_a_schema_names_what_is_wrong(tmp_path: Path) -> None:
    law = contract("signal.schema", columns={"signal": "float64", "n": "int64", "label": "string"})
    rows = frame(signal=[0.0, None, 0.0, 0.0], n=[1.0] * 4).with_columns(entity=pl.lit("A"))
    (issue,) = judged(tmp_path, law, rows).issues
    assert issue.observed == {
        "missing_columns": 1.0,
        "columns_of_another_type": 1.0,
        "rows_with_a_repeated_key": 4.0,
        "rows_with_a_null": 1.0,
    }


def test_a_schema_may_allow_nulls(tmp_path: Path) -> None:
    law = contract("signal.schema", columns={"signal": "float64"}, nulls=True)
    assert judged(tmp_path, law, frame(signal=[0.0, None, 0.0, 0.0])).ok


def test_coverage_counts_entities_a_date(tmp_path: Path) -> None:
    assert judged(tmp_path, contract("signal.coverage", entities=2), frame(signal=[0.0] * 4)).ok
    (issue,) = judged(tmp_path, contract("signal.coverage", entities=3), frame(signal=[0.0] * 4)).issues
    assert (issue.rows, issue.keys) == (2, ("2024-01-02/", "2024-01-03/"))


def test_coverage_of_a_column_leaves_out_rows_without_a_value(tmp_path: Path) -> None:
    law = contract("signal.coverage", column="signal")
    (issue,) = judged(tmp_path, law, frame(signal=[0.0, None, 0.0, float("nan")])).issues
    assert issue.rows == 2


def test_a_share_is_enough_where_the_contract_says_so(tmp_path: Path) -> None:
    law = contract("signal.coverage", entities=4, at_least=0.5)
    assert judged(tmp_path, law, frame(signal=[0.0] * 4)).ok


def test_no_row_at_all_is_no_coverage(tmp_path: Path) -> None:
    assert not judged(tmp_path, contract("signal.coverage"), frame(signal=[0.0] * 4).clear()).ok


def test_probabilities_sum_to_one_within_the_tolerance(tmp_path: Path) -> None:
    law = contract("regime.probabilities", columns=["up", "down"])
    assert judged(tmp_path, law, frame(up=[0.3, 1.0, 0.0, 0.5], down=[0.7, 0.0, 1.0, 0.5])).ok
    (issue,) = judged(tmp_path, law, frame(up=[0.35, 1.0, -0.1, 0.5], down=[0.7, 0.0, 1.1, None])).issues
    assert issue.rows == 3
    assert issue.observed["largest_error"] == pytest.approx(0.05)


def test_performance_has_a_floor_and_a_ceiling_both_inclusive() -> None:
    law = contract("model.performance", metric="rank_ic", at_least=0.005, at_most=0.3)
    assert performance(law, rank_ic=0.005).ok
    assert performance(law, rank_ic=0.3).ok
    assert performance(law, rank_ic=0.004).issues[0].code == "model.performance"
    assert performance(law, rank_ic=0.682).issues[0].code == "model.too_good"
    assert performance(law).issues[0].message == "the metric rank_ic was not measured"
    assert not performance(law, rank_ic=float("nan")).ok


def test_a_contract_on_rows_that_nobody_measured_does_not_pass() -> None:
    law = contract("signal.bounds")
    report = evaluate(
        "run_complete", "inference_run:x", [law], Measurements(rows=0, items=()), None, "official"
    )
    assert report.enforced_as == "blocked"
    assert report.issues[0].code == "guardrail.not_measured"


def test_a_gate_judges_only_what_it_has_facts_for() -> None:
    laws = [contract("signal.bounds"), contract("model.performance", metric="auc", at_least=0.5)]
    report = evaluate("version_promote", "model_version:a@1", laws, None, {"auc": 0.6}, "official")
    assert report.contracts == (laws[1].key(),)
    assert report.enforced_as == "passed"


@pytest.mark.parametrize(
    ("law", "words"),
    [
        (contract("signal.bounds", low=1.0, high=-1.0), "above"),
        (contract("signal.bounds", colum="signal"), "unknown field"),
        (contract("signal.bounds", low="small"), "float"),
        (contract("signal.schema", columns={}), "length"),
        (contract("signal.schema", columns={"a": "decimal"}), "decimal"),
        (contract("signal.coverage", entities=0), ">= 1"),
        (contract("regime.probabilities", columns=["up"]), "length"),
        (contract("regime.probabilities", columns=["up", "up"]), "twice"),
        (contract("model.performance", metric="auc"), "neither"),
        (contract("model.performance", metric="auc", at_least=1.0, at_most=0.5), "above"),
    ],
)
def test_a_malformed_config_is_refused_with_its_reason(law: Contract, words: str) -> None:
    with pytest.raises(GuardrailContractMalformed, match=words):
        check_contracts([law])


def test_an_unknown_kind_is_refused_by_name_and_the_known_ones_are_told() -> None:
    with pytest.raises(GuardrailKindUnknown, match=r"signal\.magic") as refusal:
        check_contracts([contract("signal.magic")])
    assert refusal.value.facts["kinds"] == sorted(KINDS)


def test_the_same_contract_twice_is_refused() -> None:
    with pytest.raises(GuardrailContractMalformed, match="twice"):
        check_contracts([contract("signal.bounds"), contract("signal.bounds")])


@given(
    breaching=st.integers(0, 50),
    enforce=st.sampled_from(["block", "warn", "by_space"]),
    space=st.sampled_from(["staging", "official"]),
)
def test_a_gate_passes_exactly_when_nothing_breaches_and_never_blocks_less_in_official(
    breaching: int, enforce: Any, space: Any
) -> None:
    law = contract("signal.bounds", enforce)
    item = Measurement(contract=law.key(), rows=50, breaching=breaching, observed={})
    facts = Measurements(rows=50, items=(item,))
    report = evaluate("run_complete", "inference_run:x", [law], facts, None, space)
    assert (report.enforced_as == "passed") == (breaching == 0)
    assert report == evaluate("run_complete", "inference_run:x", [law], facts, None, space)
    official = evaluate("run_complete", "inference_run:x", [law], facts, None, "official")
    assert report.enforced_as != "blocked" or official.enforced_as == "blocked"


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=30))
def test_bounds_hold_exactly_when_every_value_is_a_number_inside(values: list[float]) -> None:
    keys = {"date": [DAYS[0]] * len(values), "entity": [str(n) for n in range(len(values))]}
    rows = pl.DataFrame(keys | {"signal": values})
    figures = frames.bounds(signal_bounds.Config(), rows, MeasuredRun())
    assert figures.breaching == sum(not -1.0 <= value <= 1.0 for value in values)
