"""Reads a version: files that cannot matter are left out, rows are collapsed only where a key was revised."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise

import msgspec
import polars as pl

from application.errors import DatasetColumnUnknown
from infrastructure.datasets.as_of import collapsed, known_rows
from infrastructure.datasets.files import DatasetFiles
from infrastructure.datasets.frames import ROW_MODEL, value_schema
from infrastructure.datasets.manifest import FileEntry, Manifest

KEYS = ("entity", "date", "knowledge_date")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a read asks for; both ends of a range are included, None leaves it open."""

    as_of: datetime | None
    columns: Sequence[str] | None = None
    first: date | None = None
    last: date | None = None
    entities: Sequence[str] | None = None

    def may_hold(self, entry: FileEntry) -> bool:
        """Whether rows of this file can matter."""
        return (
            (self.as_of is None or entry.knowledge_first <= self.as_of)
            and (self.first is None or entry.last_date >= self.first)
            and (self.last is None or entry.first_date <= self.last)
        )


def read_version(files: DatasetFiles, manifest: Manifest, wanted: Wanted) -> pl.DataFrame:
    """R2 over the rows of one version. Raises DatasetColumnUnknown and what reading files raises."""
    schema = output_schema(manifest, wanted.columns)
    entries = [entry for entry in manifest.files if wanted.may_hold(entry)]
    plain = _plain_rows(files, [entry for entry in entries if not entry.revised], wanted, schema)
    newest = _newest_rows(files, [entry for entry in entries if entry.revised], wanted, schema)
    parts = [part for part in (plain, newest) if part is not None]
    if not parts:
        return pl.DataFrame(schema=schema)
    rows = pl.concat(parts)
    in_order = plain is None or (newest is None and _in_order(entries))
    return rows if in_order else rows.sort("date", "entity", maintain_order=True)  # fast if nearly sorted


def output_schema(manifest: Manifest, columns: Sequence[str] | None) -> dict[str, pl.DataType]:
    """The frame that a read gives: entity, date, knowledge_date, then values. Raises DatasetColumnUnknown."""
    values = value_schema(manifest.columns)
    names = list(values) if columns is None else [name for name in columns if name not in KEYS]
    if unknown := [name for name in names if name not in values]:
        raise DatasetColumnUnknown(
            f"there is no column {unknown[0]!r}; there are: {', '.join(values)}", columns=unknown
        )
    return {name: ROW_MODEL[name] for name in KEYS} | {name: values[name] for name in names}


def stored_rows_known(files: DatasetFiles, manifest: Manifest, as_of: datetime) -> pl.DataFrame:
    """Every stored row known at `as_of` in (entity, date, knowledge_date, seq) order."""
    schema = ROW_MODEL | value_schema(manifest.columns)
    wanted = Wanted(as_of=as_of)
    entries = [entry for entry in manifest.files if wanted.may_hold(entry)]
    if not entries:
        return pl.DataFrame(schema=schema)
    rows = files.rows(entries, lambda rows: _narrowed(rows, wanted).select(list(schema)))
    return rows.sort("entity", "date", "knowledge_date", "seq", maintain_order=True)


def _plain_rows(
    files: DatasetFiles, entries: Sequence[FileEntry], wanted: Wanted, schema: Mapping[str, pl.DataType]
) -> pl.DataFrame | None:
    """Rows of files whose keys occur once in the version."""
    if not entries:
        return None
    buried = any(entry.tombstones for entry in entries)

    def narrowed(rows: pl.LazyFrame) -> pl.LazyFrame:
        known = _narrowed(rows, wanted)
        return (known.filter(pl.col("op") != "D") if buried else known).select(list(schema))

    return files.rows(entries, narrowed)


def _newest_rows(
    files: DatasetFiles, entries: Sequence[FileEntry], wanted: Wanted, schema: Mapping[str, pl.DataType]
) -> pl.DataFrame | None:
    """Rows of files with revised keys, one a key."""
    if not entries:
        return None
    names = list(ROW_MODEL | dict(schema))
    stored = files.rows(entries, lambda rows: _narrowed(rows, wanted).select(names))
    return collapsed(stored).select(list(schema))


def _narrowed(rows: pl.LazyFrame, wanted: Wanted) -> pl.LazyFrame:
    return known_rows(rows, wanted.as_of, first=wanted.first, last=wanted.last, entities=wanted.entities)


def _in_order(entries: Sequence[FileEntry]) -> bool:
    """Whether files follow one another by date, so that their rows are in order as they lie."""
    return all(earlier.last_date < later.first_date for earlier, later in pairwise(entries))
