"""The contracts of scenarios 3, 4 and 5: what passes, and what must not, by the real gates."""

from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from application.ports import MeasuredInput, MeasuredRun
from domain.guardrails.events import GateReport
from domain.guardrails.gates import evaluate
from infrastructure.guardrail_measures.measurer import ParquetMeasurer
from tests.examples.chained import CLOSE_2014, RULES, labelled, scored
from tests.examples.test_example_contracts import contracts_of, judged_metrics, judged_rows
from tests.examples.walk_forward import Frames, Judged


def judged_picks(rows: pl.DataFrame, given: pl.DataFrame, picks: Judged, folder: Path) -> GateReport:
    """The report of the gate that a finished run of the filter passes, on all its decisions."""
    output = folder / "output.parquet"
    rows.write_parquet(output)
    contracts = contracts_of("ranker-filter", folder)
    decisions = dict.fromkeys(picks.predictions["date"].unique().to_list(), CLOSE_2014)
    run = MeasuredRun(
        entities=20,
        decisions=decisions,
        inputs={"signals": MeasuredInput(rows=lambda: given, sessions=None)},
    )
    measured = ParquetMeasurer().measure(contracts, output, run)
    return evaluate("run_complete", "inference_run:r", contracts, measured, None, "staging")


def found(report: GateReport) -> list[tuple[str, int]]:
    assert report.enforced_as == "blocked"
    return [(issue.code, issue.rows) for issue in report.issues]


def test_the_rules_pass(whole_rules: Judged, tmp_path: Path):
    assert judged_rows("rule-signals", whole_rules.predictions, tmp_path).enforced_as == "passed"


# --- scenario 4 ---


def test_the_combination_passes(whole_blend: Judged, tmp_path: Path):
    assert judged_rows("nnls-combiner", whole_blend.predictions, tmp_path).enforced_as == "passed"
    assert judged_metrics("nnls-combiner", whole_blend.metrics, tmp_path).enforced_as == "passed"


def test_weights_that_sum_to_six_are_blocked(
    whole_blend: Judged, whole_signal: Judged, whole_rules: Judged, tmp_path: Path
):
    weights = dict(zip(("signal", *RULES), (2, 2, 1, 1), strict=True))
    inputs = whole_signal.predictions.join(whole_rules.predictions, on=["date", "entity"])
    total = pl.sum_horizontal(pl.col(name) * weight for name, weight in weights.items())
    heavy = whole_blend.predictions.drop("signal").join(
        inputs.select("date", "entity", total.alias("signal")), on=["date", "entity"]
    )
    report = judged_rows("nnls-combiner", heavy, tmp_path)
    ((code, rows),) = found(report)
    assert code == "signal.bounds"
    assert rows == pytest.approx(9_664, rel=0.02)
    extremes = report.issues[0].observed
    assert max(extremes["maximum"], -extremes["minimum"]) == pytest.approx(6.0)


# --- scenario 5 ---


def test_the_picks_pass(whole_picks: Judged, whole_blend: Judged, tmp_path: Path):
    report = judged_picks(whole_picks.predictions, whole_blend.predictions, whole_picks, tmp_path)
    assert report.enforced_as == "passed"
    assert judged_metrics("ranker-filter", whole_picks.metrics, tmp_path).enforced_as == "passed"


def test_a_key_that_is_not_in_the_input_is_blocked(whole_picks: Judged, whole_blend: Judged, tmp_path: Path):
    at = pl.int_range(pl.len()) == 7
    foreign = whole_picks.predictions.with_columns(
        entity=pl.when(at).then(pl.lit("cik-0000000001")).otherwise("entity")
    )
    assert found(judged_picks(foreign, whole_blend.predictions, whole_picks, tmp_path)) == [
        ("filter.subset", 1)
    ]


def test_a_value_that_was_changed_is_blocked(whole_picks: Judged, whole_blend: Judged, tmp_path: Path):
    at = pl.int_range(pl.len()) == 7
    changed = whole_picks.predictions.with_columns(
        signal=pl.when(at).then(pl.col("signal") + 1e-9).otherwise("signal")
    )
    assert found(judged_picks(changed, whole_blend.predictions, whole_picks, tmp_path)) == [
        ("filter.subset", 1)
    ]


def test_a_row_that_stands_twice_is_blocked(whole_picks: Judged, whole_blend: Judged, tmp_path: Path):
    twice = pl.concat([whole_picks.predictions, whole_picks.predictions.head(1)])
    report = judged_picks(twice, whole_blend.predictions, whole_picks, tmp_path)
    assert "filter.subset" in [code for code, _ in found(report)]
    assert report.issues[0].observed["repeated_keys"] == 2


def test_three_dates_without_rows_are_blocked(whole_picks: Judged, whole_blend: Judged, tmp_path: Path):
    gone = whole_picks.predictions["date"].unique().sort()[[3, 100, 400]]
    fewer = whole_picks.predictions.filter(~pl.col("date").is_in(gone.implode()))
    report = judged_picks(fewer, whole_blend.predictions, whole_picks, tmp_path)
    assert sorted(found(report)) == [("filter.subset", 3), ("signal.coverage", 3)]


# --- scenario 3 ---


@pytest.fixture(scope="module")
def scores(relevance: SimpleNamespace, market: Frames) -> pl.DataFrame:
    rows = labelled(relevance, market, CLOSE_2014)
    found = scored(relevance, rows)
    keys = pl.DataFrame({"date": [rows["date"].max()] * len(found), "entity": list(found)})
    return keys.with_columns(pl.Series("score", list(found.values())))


def test_the_scores_pass(scores: pl.DataFrame, tmp_path: Path):
    assert judged_rows("feature-relevance", scores, tmp_path).enforced_as == "passed"


@pytest.mark.parametrize("wrong", [float("nan"), -0.01, float("inf"), None])
def test_a_score_that_is_no_relevance_is_blocked(scores: pl.DataFrame, wrong: float | None, tmp_path: Path):
    at = pl.int_range(pl.len()) == 4
    bent = scores.with_columns(score=pl.when(at).then(pl.lit(wrong, pl.Float64)).otherwise("score"))
    assert found(judged_rows("feature-relevance", bent, tmp_path)) == [("relevance.scores", 1)]


@pytest.mark.parametrize(
    ("metrics", "code"),
    [
        ({"half_stability": 0.69, "dominance": 1.0}, "model.performance"),
        ({"half_stability": 0.9, "dominance": 10.1}, "model.too_good"),
    ],
    ids=["unstable", "a copy of the target"],
)
def test_scores_that_change_their_story_or_know_too_much_are_blocked(
    metrics: dict[str, float], code: str, tmp_path: Path
):
    report = judged_metrics("feature-relevance", metrics, tmp_path)
    assert [issue.code for issue in report.issues] == [code]
    assert report.enforced_as == "blocked"
