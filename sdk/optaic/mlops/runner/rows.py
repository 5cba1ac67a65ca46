"""The form in which a run hands rows in."""

from pathlib import Path

import polars as pl


def write_rows(rows: pl.DataFrame, path: Path) -> None:
    """Write an Arrow stream of plain columns without compression: the executor reads nothing else."""
    plain = rows.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    plain.write_ipc_stream(path, compression="uncompressed", compat_level=pl.CompatLevel.oldest())
