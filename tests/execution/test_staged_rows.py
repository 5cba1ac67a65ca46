"""Rows that a run staged are read within bounds, and refused by name where they are no plain rows."""

import io
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infrastructure.execution import staged_rows
from infrastructure.execution.errors import RunOutputMalformed
from optaic.mlops.runner import rows as sdk_rows
from tests.execution.definition_packages import PREDICTOR
from tests.execution.test_bad_runs import running
from tests.execution.work_desk import Desk

MIB = 1 << 20
MOMENT = pl.Datetime("us", "UTC")
GOOD = pl.DataFrame(
    {
        "entity": ["A", "B", None],
        "date": [date(2024, 3, 1)] * 3,
        "knowledge_date": pl.Series([datetime(2024, 3, 1, 21, tzinfo=UTC)] * 3, dtype=MOMENT),
        "signal": [1.5, None, float("nan")],
        "held": [True, False, None],
        "count": pl.Series([1, 2, 3], dtype=pl.Int32),
        "never": [None, None, None],
    }
)


def stream(folder: Path, content: bytes) -> Path:
    path = folder / "output.arrow"
    path.write_bytes(content)
    return path


def written(table: pa.Table, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(
        sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)
    ) as out:
        out.write_table(table)
    return sink.getvalue()


def good(folder: Path) -> bytes:
    sdk_rows.write_rows(GOOD, folder / "good.arrow")
    return (folder / "good.arrow").read_bytes()


def refused(path: Path, target: Path, match: str = "the staged") -> None:
    with pytest.raises(RunOutputMalformed, match=match):
        staged_rows.write_rows(path, target)


def test_what_the_sdk_writes_comes_back_as_it_was(tmp_path: Path) -> None:
    staged_rows.write_rows(stream(tmp_path, good(tmp_path)), tmp_path / "rows.parquet")
    assert pl.read_parquet(tmp_path / "rows.parquet").equals(GOOD)


def test_categories_and_enums_are_handed_in_as_text(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": pl.Series(["x", "y"], dtype=pl.Categorical)})
    frame = frame.with_columns(b=pl.Series(["x", "y"], dtype=pl.Enum(["x", "y"])))
    sdk_rows.write_rows(frame, tmp_path / "output.arrow")
    staged_rows.write_rows(tmp_path / "output.arrow", tmp_path / "rows.parquet")
    assert pl.read_parquet(tmp_path / "rows.parquet").equals(frame.cast(pl.String))


def test_no_rows_are_rows_too(tmp_path: Path) -> None:
    sdk_rows.write_rows(GOOD.clear(), tmp_path / "output.arrow")
    staged_rows.write_rows(tmp_path / "output.arrow", tmp_path / "rows.parquet")
    assert pl.read_parquet(tmp_path / "rows.parquet").schema == GOOD.schema


def a_thousand_million_nulls() -> bytes:
    return written(pa.table({"a": pa.nulls(1_000_000_000), "b": pa.nulls(1_000_000_000)}))


def parquet_bomb() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": np.zeros(20_000_000)}), sink, compression="zstd")
    return sink.getvalue()


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "no Arrow stream"),
    "a bomb of Parquet": (parquet_bomb, "cannot be read"),
    "a compressed bomb": (lambda: written(pa.table({"a": pa.array([0] * 10_000_000)}), "zstd"), "compressed"),
    "one compressed otherwise": (lambda: written(pa.table({"a": [0] * 9999}), "lz4"), "compressed"),
    "columns without bytes": (a_thousand_million_nulls, "cells"),
    "rows that refer to others": (
        lambda: written(pa.table({"a": pa.array(["x"] * 99).dictionary_encode()})),
        "a",
    ),
    "lists": (lambda: written(pa.table({"a": [[1]]})), "list"),
    "one name twice": (lambda: written(pa.Table.from_arrays([pa.array([1])] * 2, ["a", "a"])), "one name"),
    "a type that brings code": (
        lambda: written(
            pa.table({"a": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"x" * 16], pa.binary(16)))})
        ),
        "extension",
    ),
    "a zone that is none": (
        lambda: written(pa.table({"a": pa.array([1], pa.timestamp("us", "Nowhere/\ud7ff"))})),
        "time zone",
    ),
    "many columns": (lambda: written(pa.table({str(n): [1] for n in range(1001)})), "columns"),
    "a length without an end": (lambda: b"\xff\xff\xff\xff\xff\xff\xff\x7f" + b"x" * 99, "cannot be read"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_are_no_plain_rows_is_refused_by_name(tmp_path: Path, name: str) -> None:
    make, says = HOSTILE[name]
    refused(stream(tmp_path, make()), tmp_path / "rows.parquet", says)


def test_offsets_that_point_outside_are_refused(tmp_path: Path) -> None:
    content = written(pa.table({"a": pa.array(["one", "two"], pa.large_string())}))
    offsets = struct.pack("<3q", 0, 3, 6)
    assert content.count(offsets) == 1
    for bad in ((0, 3, 1 << 40), (0, -3, 6), (6, 3, 0)):
        refused(
            stream(tmp_path, content.replace(offsets, struct.pack("<3q", *bad))), tmp_path / "rows.parquet"
        )


def test_half_a_stream_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    """At the end of a message it is fewer rows, which a run may hand in."""
    content = good(tmp_path)
    accepted = 0
    for length in range(0, len(content), 7):
        try:
            staged_rows.write_rows(stream(tmp_path, content[:length]), tmp_path / "rows.parquet")
        except RunOutputMalformed:
            continue
        accepted += 1
    assert accepted <= 4


def test_changed_bytes_are_refused_or_read_and_never_end_the_process(tmp_path: Path) -> None:
    content, draw = good(tmp_path), random.Random(7)
    for _ in range(1000):
        changed = bytearray(content)
        for _ in range(draw.choice((1, 1, 2, 8))):
            changed[draw.randrange(len(changed))] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        try:
            staged_rows.write_rows(stream(tmp_path, bytes(changed)), tmp_path / "rows.parquet")
        except RunOutputMalformed:
            continue
        pl.read_parquet(tmp_path / "rows.parquet")


BOUND = """
import resource, sys
from pathlib import Path
from infrastructure.execution.errors import RunOutputMalformed
from infrastructure.execution.staged_rows import write_rows
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        write_rows(path, Path(sys.argv[2]))
    except RunOutputMalformed as refusal:
        print(path.name)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_bombs_take_no_memory(tmp_path: Path) -> None:
    """160 MB of Parquet, 80 MB of a compressed stream, 2,000 million nulls, each in less than 1 MiB."""
    bombs = tmp_path / "bombs"
    bombs.mkdir()
    for name in ("a bomb of Parquet", "a compressed bomb", "columns without bytes"):
        (bombs / name).write_bytes(HOSTILE[name][0]())
        assert (bombs / name).stat().st_size < MIB
    told = subprocess.run(
        [sys.executable, "-c", BOUND, str(bombs), str(tmp_path / "rows.parquet")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    ).stdout.splitlines()
    assert len(told) == 4
    assert int(told[-1]) < 64


def test_an_inference_that_stages_a_bomb_fails_by_name(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / "bomb.parquet").write_bytes(parquet_bomb())
    lines = f"""
import shutil
from optaic.mlops.pipelines import inference
inference.write_rows = lambda rows, path: shutil.copy({str(tmp_path / "bomb.parquet")!r}, path)
"""
    manifest = desk.package("bomb", {"inference/predictor.py": PREDICTOR + lines})
    with running(desk) as executor:
        training = desk.submit(1, manifest, as_of=datetime(2024, 3, 1, 22, tzinfo=UTC))
        executor.wake()
        desk.wait(lambda: training in desk.completed)
        inference = desk.submit(2, manifest, "inference", model=desk.model(training))
        executor.wake()
        desk.wait(lambda: inference in desk.failed or inference in desk.completed)
    assert desk.failed[inference].code == "run.output_malformed"
