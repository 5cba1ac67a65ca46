"""Every kind of contract that applies, on one frame of predictions, with and without reading its file.

Run: python -m benchmarks.guardrails [rows]. 1,000,000 rows by default: 1,000 entities a date. The input that
the filter and the stability compare with has as many rows again.
"""

import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from application.ports import MeasuredInput, MeasuredRun
from domain.guardrails.contracts import Contract
from infrastructure.guardrail_measures import ParquetMeasurer

ENTITIES = 1_000
REPEATS = 7
CONTRACTS = (
    Contract(kind="signal.bounds"),
    Contract(kind="signal.schema", config={"columns": {"signal": "float64", "regime": "string"}}),
    Contract(kind="signal.coverage", config={"entities": ENTITIES}),
    Contract(kind="regime.probabilities", config={"columns": ["up", "down"]}),
    Contract(kind="regime.labels", config={"labels": ["down", "up"], "ordered_by": "up"}),
    Contract(kind="relevance.scores", config={"column": "up"}),
    Contract(kind="dataset.schema", config={"columns": {"signal": "float64", "up": "float64"}}),
    Contract(kind="dataset.pit"),
    Contract(kind="dataset.coverage", config={"column": "signal"}),
    Contract(kind="model.freshness", config={"days": 10_000}),
)
COMPARED = (
    Contract(kind="filter.subset", config={"role": "signals", "per_date": ENTITIES}),
    Contract(kind="signal.coverage", config={"universe": "universe"}),
    Contract(kind="model.stability", config={"column": "signal", "at_least": 0.5, "reference": "signals"}),
)


def predictions(rows: int) -> pl.DataFrame:
    """Seeded rows in the order of their keys, as an inference run hands them over."""
    days = [date(2020, 1, 1) + timedelta(days=n) for n in range(rows // ENTITIES)]
    keys = pl.DataFrame({"date": days}).join(
        pl.DataFrame({"entity": [f"E{n:05d}" for n in range(ENTITIES)]}), how="cross"
    )
    up = np.random.default_rng(7).uniform(size=keys.height)
    known = pl.col("date").cast(pl.Datetime("us", "UTC")) + pl.duration(hours=21)
    return keys.with_columns(
        knowledge_date=known,
        signal=pl.Series(2 * up - 1),
        up=pl.Series(up),
        down=pl.Series(1 - up),
        regime=pl.Series(up > 0.5).replace_strict({True: "up", False: "down"}),
    )


def listed(frame: pl.DataFrame) -> pl.DataFrame:
    """A universe of every entity, each listed before the first date."""
    day = date(2019, 12, 31)
    known = datetime(2019, 12, 31, 21, tzinfo=UTC)
    return frame.select(pl.col("entity").unique()).select(
        "entity",
        pl.lit(day).alias("date"),
        pl.lit(known).cast(pl.Datetime("us", "UTC")).alias("knowledge_date"),
        pl.int_range(pl.len()).alias("seq"),
        pl.lit("U").alias("op"),
    )


def median_ms(contracts: tuple[Contract, ...], output: Path, run: MeasuredRun) -> float:
    """The median of some measurements of these contracts, reading the file included."""
    times: list[float] = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        ParquetMeasurer().measure(contracts, output, run)
        times.append(time.perf_counter() - begun)
    return sorted(times)[REPEATS // 2] * 1000


def main(rows: int) -> None:
    """Print one line a contract and the sums."""
    frame = predictions(rows)
    decisions = {
        day: datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in frame["date"].unique().sort()
    }
    run = MeasuredRun(
        as_of=max(decisions.values()),
        entities=ENTITIES,
        decisions=decisions,
        trained_as_of=min(decisions.values()),
        inputs={
            "signals": MeasuredInput(rows=lambda: frame),
            "universe": MeasuredInput(rows=lambda: frame, revisions=lambda: listed(frame)),
        },
    )
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "rows.parquet"
        frame.write_parquet(output)
        print(f"| {frame.height:,} rows | median of {REPEATS}, ms |\n|---|---:|")
        print(f"| reading the file | {median_ms((), output, run):.0f} |")
        for contract in (*CONTRACTS, *COMPARED):
            how = "by a universe, with reading" if "universe" in contract.config else "with reading"
            print(f"| {contract.kind}, {how} | {median_ms((contract,), output, run):.0f} |")
        print(f"| all that judge the rows alone | {median_ms(CONTRACTS, output, run):.0f} |")
        print(f"| and those that compare | {median_ms((*CONTRACTS, *COMPARED), output, run):.0f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
