"""Hashes everything that a version needs and says what does not hold."""

from collections.abc import Sequence

import polars as pl

from domain.shared.errors import RuleBroken
from infrastructure.datasets.files import DatasetFiles
from infrastructure.datasets.manifest import FileEntry, Manifest, Segment
from infrastructure.datasets.row_hash import extended


def rehashed(rows: pl.DataFrame, segments: Sequence[Segment]) -> str:
    """The row hash of a version, worked out again from all its rows in whatever order."""
    ordered = rows.sort("seq")
    found: str | None = None
    start = 0
    for segment in segments:
        found = extended(found, ordered.slice(start, segment.rows))
        start += segment.rows
    assert found is not None
    return found


def problems_of(files: DatasetFiles, manifest_sha256: str) -> list[str]:
    """What is missing, purged or changed of a version; empty when all holds."""
    try:
        manifest = files.manifest(manifest_sha256)
    except RuleBroken as problem:
        return [f"{problem.code}: {problem.detail}"]
    problems: list[str] = []
    try:
        files.entities(manifest.entities_sha256)
    except RuleBroken as problem:
        problems.append(f"{problem.code}: {problem.detail}")
    parts = [part for entry in manifest.files if (part := _checked(files, entry, problems)) is not None]
    return problems or _row_problems(pl.concat(parts), manifest)


def _checked(files: DatasetFiles, entry: FileEntry, problems: list[str]) -> pl.DataFrame | None:
    try:
        rows = files.rows([entry])
    except RuleBroken as problem:
        problems.append(f"{problem.code}: {problem.detail}")
        return None
    if rows.height != entry.rows:
        problems.append(f"dataset.rows_differ: file {entry.sha256} has {rows.height} rows, not {entry.rows}")
    return rows


def _row_problems(rows: pl.DataFrame, manifest: Manifest) -> list[str]:
    if rows.height != sum(segment.rows for segment in manifest.segments):
        return [f"dataset.rows_differ: the files have {rows.height} rows, not as many as the manifest says"]
    if rehashed(rows, manifest.segments) != manifest.row_hash:
        return ["dataset.hash_mismatch: the rows do not give the row hash of the manifest"]
    return []
