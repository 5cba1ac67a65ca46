"""As-of reads out of a large dataset with revisions, against a plain polars scan of the same rows.

Run: python -m benchmarks.as_of_read [rows]. 5,000,000 rows by default: 1,000 entities, daily, three float
columns, written in one go; then 1 % of all keys revised a month later, in ten writes, and one tombstone in a
thousand of those.

The limit is for a read over dates, which needs few files. A read of few entities over all dates needs every
file: each byte is hashed at 2 GB/s before it is decoded, which a plain scan does not do.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from domain.dataset.declaration import Column, Declaration
from domain.dataset.events import ContentFacts
from infrastructure.datasets.intake import PARQUET
from infrastructure.datasets.manifest import FileEntry, decode
from infrastructure.datasets.store import FolderDatasetStore

COLUMNS = ("close", "volume", "ret")
DECLARATION = Declaration(columns=tuple(Column(name=name, type="float64") for name in COLUMNS))
NOW = datetime(2030, 1, 1, tzinfo=UTC)
ENTITIES = 1_000
REPEATS = 15


def base_rows(rows: int) -> pl.DataFrame:
    days = [date(2005, 1, 3) + timedelta(days=index) for index in range(rows // ENTITIES)]
    random = np.random.default_rng(7)
    keys = pl.DataFrame({"date": days}).join(
        pl.DataFrame({"entity": [f"E{index:05d}" for index in range(ENTITIES)]}), how="cross"
    )
    known = pl.col("date").cast(pl.Datetime("us", "UTC")) + pl.duration(hours=21)
    values = {name: random.normal(size=keys.height) for name in COLUMNS}
    return keys.with_columns(known.alias("knowledge_date"), *(pl.Series(k, v) for k, v in values.items()))


def revisions(base: pl.DataFrame, part: int) -> pl.DataFrame:
    picked = base.gather_every(1_000, offset=part)
    return picked.with_columns(
        pl.col("knowledge_date") + pl.duration(days=30 + part),
        pl.col("close") * 1.01,
        pl.when(pl.int_range(pl.len()) % 1_000 == 0).then(pl.lit("D")).otherwise(pl.lit("U")).alias("op"),
    ).with_columns(pl.when(pl.col("op") == "U").then(pl.col(name)).alias(name) for name in COLUMNS)


def fill(store: FolderDatasetStore, base: pl.DataFrame, folder: Path) -> ContentFacts:
    parent: ContentFacts | None = None
    upload = folder / "upload.parquet"
    for number, rows in enumerate([base, *(revisions(base, part) for part in range(10))]):
        rows.write_parquet(upload)
        prepared = store.prepare(DECLARATION, parent, upload, PARQUET, written_at=NOW, backfill=number > 0)
        assert prepared is not None
        parent = prepared.facts
    assert parent is not None
    return parent


def side_by_side(*actions: Callable[[], pl.DataFrame]) -> tuple[list[float], int]:
    """Median milliseconds of each action, taken in turns, and the rows of the first."""
    rows = [action().height for action in actions]
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(REPEATS):
        for action, taken in zip(actions, times, strict=True):
            start = time.perf_counter()
            action()
            taken.append((time.perf_counter() - start) * 1e3)
    return [sorted(taken)[REPEATS // 2] for taken in times], rows[0]


def plain_scan(paths: list[Path], condition: pl.Expr) -> pl.DataFrame:
    return (
        pl.scan_parquet(paths)
        .filter(condition)
        .select("entity", "date", "knowledge_date", *COLUMNS)
        .collect()
    )


def paths_of(root: Path, entries: list[FileEntry]) -> list[Path]:
    return [root / "objects" / entry.sha256[:2] / entry.sha256[2:] for entry in entries]


def files_of(root: Path, manifest_sha256: str) -> list[FileEntry]:
    content = (root / "objects" / manifest_sha256[:2] / manifest_sha256[2:]).read_bytes()
    return list(decode(content).files)


def report(name: str, rows: int, ours: float, plain: float, limit: float | None) -> None:
    verdict = "" if limit is None else f"  (limit {limit:.0f})"
    print(f"{name:<50}{rows:>9,}{ours:>9.1f}{plain:>9.1f}{ours / plain:>7.2f}{verdict}")


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = FolderDatasetStore(folder / "store", zone_of=ZoneInfo)
        base = base_rows(rows)
        facts = fill(store, base, folder)
        measure(store, folder / "store", facts, base)


def measure(store: FolderDatasetStore, root: Path, facts: ContentFacts, base: pl.DataFrame) -> None:
    days = base["date"].unique().sort()
    first, last = days[days.len() // 2], days[days.len() // 2 + 99]
    as_of = datetime.combine(last, datetime.min.time(), UTC) + timedelta(days=35)
    some = [f"E{index:05d}" for index in range(0, ENTITIES, ENTITIES // 20)]
    between = pl.col("date").is_between(first, last)
    print(f"{facts.total_rows:,} rows, median of {REPEATS} in turns, ms")
    print(f"{'read':<50}{'rows':>9}{'as of':>9}{'plain':>9}{'ratio':>7}")
    for label, manifest in (
        ("", facts.manifest_sha256),
        (", compacted", store.compact(facts.manifest_sha256)[2]),
    ):
        entries = files_of(root, manifest)
        everything = paths_of(root, entries)
        touched = paths_of(root, [e for e in entries if e.first_date <= last and e.last_date >= first])
        (ours, plain, best), rows = side_by_side(
            lambda m=manifest: store.read(m, as_of, first=first, last=last),
            lambda p=everything: plain_scan(p, between),
            lambda p=touched: plain_scan(p, between),
        )
        report(f"100 dates x all entities{label}", rows, ours, plain, 3)
        report("  against a scan handed only the files it needs", rows, ours, best, None)
        (ours, plain), rows = side_by_side(
            lambda m=manifest: store.read(m, None, entities=some),
            lambda p=everything: plain_scan(p, pl.col("entity").is_in(some)),
        )
        report(f"20 entities x all dates{label}, every byte hashed", rows, ours, plain, None)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000)
