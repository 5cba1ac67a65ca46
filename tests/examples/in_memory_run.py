"""The executor's side of a run, kept in memory: it serves rows and keeps what the pipelines hand over."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from tests.examples.walk_forward import Frames


class InMemoryRun:
    """A connection for the training, inference and monitoring pipelines over frames by role."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.metrics: dict[str, float] = {}
        self.facts: dict[str, Any] = {}
        self.points: list[tuple[str, int, float]] = []
        self.artifact: Path | None = None
        self.output: pl.DataFrame | None = None
        self.reports: dict[str, bytes] = {}

    def revisions(self, role: str, as_of: datetime) -> pl.DataFrame:
        """Every row known at a moment, numbered in the order of the frame."""
        rows = self.frames[role].with_row_index("seq", 1).with_columns(pl.lit("U").alias("op"))
        known = rows.filter(pl.col("knowledge_date") <= as_of).cast({"seq": pl.Int64})
        return known.select(pl.exclude("seq", "op"), "seq", "op").sort(
            "entity", "date", "knowledge_date", "seq"
        )

    def sessions(self, calendar: str, first: date, last: date) -> pl.DataFrame:
        """The days on which the index closed, which are those of the exchange."""
        assert calendar == "XNYS"
        closes = self.frames["index"].select("date", pl.col("knowledge_date").alias("close"))
        return closes.filter(pl.col("date").is_between(first, last))

    def log_metrics(self, points: list[tuple[str, int, float]]) -> None:
        """Keep the points."""
        self.points += points

    def progress(self, fraction: float, message: str) -> None:
        """Progress lies between nothing and all."""
        assert 0 <= fraction <= 1, message

    def stage_artifact(self, folder: Path, artifact_format: str) -> str:
        """Keep where the model's files are."""
        self.artifact = folder
        return artifact_format

    def stage_output(self, path: Path, decisions: Sequence[date] | None = None) -> None:
        """Keep the predictions."""
        self.output = pl.read_ipc_stream(path)

    def stage_report(self, path: Path, name: str) -> None:
        """Keep the report."""
        self.reports[name] = path.read_bytes()

    def complete(self, metrics: Mapping[str, float], facts: Mapping[str, Any]) -> None:
        """Keep the results."""
        self.metrics, self.facts = dict(metrics), dict(facts)
