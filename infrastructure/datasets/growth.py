"""What a write adds to its parent: rows equal to stored ones fall away, the rest is set against what is
there.
"""

from dataclasses import dataclass

import polars as pl

from infrastructure.datasets.files import DatasetFiles
from infrastructure.datasets.frames import KEY
from infrastructure.datasets.manifest import FileEntry

_MOMENT_KEY = ("entity", "date", "knowledge_date")


@dataclass(frozen=True)
class Growth:
    """New rows and their relation to the parent's."""

    rows: pl.DataFrame
    stored_keys: pl.DataFrame
    """Keys (entity, date) of the new rows that the parent has, each once."""
    touched: frozenset[str]
    """The parent's files that hold such keys, by SHA-256."""

    def revised(self) -> pl.Series:
        """A flag a row: its key has another row, in the parent or in this write."""
        stored = self.rows.join(
            self.stored_keys.with_columns(stored=True), on=KEY, how="left", maintain_order="left"
        )
        return stored["stored"].fill_null(value=False) | self.rows.select(KEY).is_duplicated()


def growth(rows: pl.DataFrame, parent: tuple[FileEntry, ...], files: DatasetFiles) -> Growth:
    """Compare rows (without `seq`) with the parent's files whose dates overlap."""
    related = _related_rows(rows, parent, files)
    fresh = rows if related.is_empty() else _without_equals(rows, related)
    keys = related.join(fresh.select(KEY).unique(), on=KEY, how="semi")
    return Growth(fresh, keys.select(KEY).unique(), frozenset(keys["file"].unique().to_list()))


def _related_rows(rows: pl.DataFrame, parent: tuple[FileEntry, ...], files: DatasetFiles) -> pl.DataFrame:
    """The parent's rows with the keys of `rows`, with the file that each is in."""
    first, last = rows["date"].min(), rows["date"].max()
    wanted = rows.select(KEY).unique()
    found = [rows.clear().with_columns(pl.lit(0, pl.Int64()).alias("seq"), pl.lit("").alias("file"))]
    for entry in parent:
        if entry.first_date <= last and entry.last_date >= first:  # type: ignore[operator] - never empty here
            stored = files.rows([entry]).join(wanted, on=KEY, how="semi")
            found.append(stored.with_columns(pl.lit(entry.sha256).alias("file")))
    return pl.concat(found, how="diagonal")


def _without_equals(rows: pl.DataFrame, related: pl.DataFrame) -> pl.DataFrame:
    """Drop rows that say what the newest stored row of the same (entity, date, knowledge_date) says.

    A row equal to an older write only is kept: it takes back what came after.
    """
    newest = related.sort("seq").unique(_MOMENT_KEY, keep="last", maintain_order=True)
    return rows.join(newest, on=list(rows.columns), how="anti", nulls_equal=True, maintain_order="left")
