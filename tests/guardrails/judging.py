"""Contracts, rows of two dates and two entities, and the verdict of the real measurer and gate."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from application.ports import MeasuredInput, MeasuredRun
from domain.guardrails.contracts import Contract
from domain.guardrails.events import GateReport, Issue
from domain.guardrails.gates import evaluate
from infrastructure.guardrail_measures import ParquetMeasurer

DAYS = [date(2024, 1, 2), date(2024, 1, 3)]


def contract(kind: str, **config: Any) -> Contract:
    """A contract that the space enforces."""
    return Contract(kind=kind, config=config)


def frame(**columns: Any) -> pl.DataFrame:
    """Four rows: two entities on each of the two days."""
    keys = {"date": [day for day in DAYS for _ in range(2)], "entity": ["A", "B"] * 2}
    return pl.DataFrame(keys | columns)


def given(rows: pl.DataFrame) -> MeasuredInput:
    """An input that holds these rows, without a calendar."""
    return MeasuredInput(rows=lambda: rows)


def judged(folder: Path, law: Contract, rows: pl.DataFrame, run: MeasuredRun | None = None) -> GateReport:
    """The report of the gate that a finished inference run passes."""
    path = folder / "rows.parquet"
    rows.write_parquet(path)
    measured = ParquetMeasurer().measure([law], path, run or MeasuredRun())
    return evaluate("run_complete", "inference_run:x", [law], measured, None, "official")


def issue_of(report: GateReport) -> Issue:
    """The one issue of a report that blocks."""
    assert report.enforced_as == "blocked"
    (issue,) = report.issues
    return issue
