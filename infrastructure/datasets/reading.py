"""Reads a version: files that cannot matter are left out, rows are collapsed only where a key was revised."""

from collections.abc import Iterable, Sequence
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
    plain = [_plain_rows(files, entry, wanted, schema) for entry in entries if not entry.revised]
    revised = [_stored_rows(files, entry, wanted, schema) for entry in entries if entry.revised]
    if revised:
        newest = collapsed(pl.concat(revised)).select(list(schema))
        return newest if not plain else pl.concat([*plain, newest]).sort("date", "entity")
    rows = pl.concat(plain) if plain else pl.DataFrame(schema=schema)
    return rows if _in_order(entries) else rows.sort("date", "entity")


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
    parts = [_stored_rows(files, entry, wanted, schema) for entry in manifest.files if wanted.may_hold(entry)]
    rows = pl.concat(parts) if parts else pl.DataFrame(schema=schema)
    return rows.select(list(schema)).sort("entity", "date", "knowledge_date", "seq")


def _plain_rows(files: DatasetFiles, entry: FileEntry, wanted: Wanted, schema: Iterable[str]) -> pl.DataFrame:
    """Rows of a file whose keys occur once in the version."""
    names = list(schema)
    if not entry.tombstones:
        return _narrowed(files.read(entry, names), entry, wanted)
    rows = _narrowed(files.read(entry, [*names, "op"]), entry, wanted)
    return rows.filter(pl.col("op") != "D").select(names)


def _stored_rows(
    files: DatasetFiles, entry: FileEntry, wanted: Wanted, schema: Iterable[str]
) -> pl.DataFrame:
    names = list(dict.fromkeys([*ROW_MODEL, *schema]))
    return _narrowed(files.read(entry, names), entry, wanted).select(names)


def _narrowed(rows: pl.DataFrame, entry: FileEntry, wanted: Wanted) -> pl.DataFrame:
    """Apply only those conditions that the file's ranges do not answer already."""
    return known_rows(
        rows.lazy(),
        None if wanted.as_of is None or entry.knowledge_last <= wanted.as_of else wanted.as_of,
        first=None if wanted.first is None or entry.first_date >= wanted.first else wanted.first,
        last=None if wanted.last is None or entry.last_date <= wanted.last else wanted.last,
        entities=wanted.entities,
    ).collect()


def _in_order(entries: Sequence[FileEntry]) -> bool:
    """Whether files follow one another by date, so that their rows are in order as they lie."""
    return all(earlier.last_date < later.first_date for earlier, later in pairwise(entries))
