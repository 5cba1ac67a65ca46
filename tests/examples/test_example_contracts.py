"""The examples' own contracts, judged by the real gates on what the examples really predict."""

from pathlib import Path

import polars as pl
import pytest

from application.ports import MeasuredRun
from domain.guardrails.contracts import Contract
from domain.guardrails.events import GateReport
from domain.guardrails.gates import evaluate
from infrastructure.guardrail_measures.measurer import ParquetMeasurer
from infrastructure.packages.reader import inspect_zip
from optaic.mlops.packaging import pack
from tests.examples.definitions import EXAMPLES
from tests.examples.walk_forward import Judged


def contracts_of(package: str, folder: Path) -> tuple[Contract, ...]:
    zipped = folder / "package.zip"
    zipped.write_bytes(pack(EXAMPLES / package))
    return inspect_zip(zipped).contracts


def judged_rows(package: str, rows: pl.DataFrame, folder: Path) -> GateReport:
    """The report of the gate that a finished inference run passes."""
    output = folder / "output.parquet"
    rows.write_parquet(output)
    contracts = contracts_of(package, folder)
    measurements = ParquetMeasurer().measure(contracts, output, MeasuredRun(entities=20))
    return evaluate("run_complete", "inference_run:r", contracts, measurements, None, "staging")


def judged_metrics(package: str, metrics: dict[str, float], folder: Path) -> GateReport:
    """The report of the gate that a finished training run passes."""
    contracts = contracts_of(package, folder)
    return evaluate("run_complete", "training_run:r", contracts, None, metrics, "staging")


def test_the_signals_predictions_and_metrics_pass(whole_signal: Judged, tmp_path: Path):
    assert judged_rows("xgb-signal", whole_signal.predictions, tmp_path).enforced_as == "passed"
    assert judged_metrics("xgb-signal", whole_signal.metrics, tmp_path).enforced_as == "passed"


def test_a_signal_blown_up_by_a_fifth_is_blocked(whole_signal: Judged, tmp_path: Path):
    wide = whole_signal.predictions.with_columns(pl.col("signal") * 1.2)
    report = judged_rows("xgb-signal", wide, tmp_path)
    assert report.enforced_as == "blocked"
    assert [(issue.code, issue.rows) for issue in report.issues] == [("signal.bounds", 3_624)]
    assert report.issues[0].observed["maximum"] == pytest.approx(1.2)


def test_a_date_that_lacks_an_entity_is_blocked(whole_signal: Judged, tmp_path: Path):
    report = judged_rows("xgb-signal", whole_signal.predictions[1:], tmp_path)
    assert [(issue.code, issue.rows) for issue in report.issues] == [("signal.coverage", 1)]


@pytest.mark.parametrize(
    ("rank_ic", "code"), [(0.0049, "model.performance"), (0.301, "model.too_good")], ids=["poor", "leaking"]
)
def test_a_rank_correlation_outside_its_limits_is_blocked(rank_ic: float, code: str, tmp_path: Path):
    report = judged_metrics("xgb-signal", {"rank_ic": rank_ic}, tmp_path)
    assert report.enforced_as == "blocked"
    assert [issue.code for issue in report.issues] == [code]


def test_the_regimes_predictions_pass(whole_regime: Judged, tmp_path: Path):
    assert judged_rows("gmm-regime", whole_regime.predictions, tmp_path).enforced_as == "passed"


def test_a_bent_probability_in_every_tenth_row_is_blocked(whole_regime: Judged, tmp_path: Path):
    rows = whole_regime.predictions.with_row_index()
    bend = pl.when(pl.col("index") % 10 == 0).then(0.05).otherwise(0.0)
    bent = rows.with_columns(pl.col("p_expansion") + bend).drop("index")
    report = judged_rows("gmm-regime", bent, tmp_path)
    assert [(issue.code, issue.rows) for issue in report.issues] == [("regime.probabilities", 13)]
