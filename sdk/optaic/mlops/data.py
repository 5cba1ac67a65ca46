"""Datasets: rows as the world knew them at a moment, and writing new ones."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from optaic.mlops.client import shared_client
from optaic.mlops.runner.protocol import SOCKET_SETTING

if TYPE_CHECKING:
    import polars as pl

    from optaic.mlops.runner.connection import RunConnection


@dataclass(frozen=True)
class DatasetRef:
    """A dataset, or one version of it: `us-prices` or `us-prices@12`."""

    name: str
    version: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference; raises ValueError."""
        name, at, number = text.partition("@")
        if not name or (at and not number.isdigit()):
            raise ValueError(f"{text!r} is neither a dataset nor a version such as us-prices@12")
        return cls(name, int(number) if at else None)

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"


def load_dataset(
    dataset: str | DatasetRef,
    *,
    version: int | None = None,
    as_of: datetime | str | None = None,
    first: date | None = None,
    last: date | None = None,
    entities: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
) -> "pl.DataFrame":
    """Rows known at `as_of` (the knowledge clock; default now): entity, date, knowledge_date, then columns.

    Inside a run only pinned versions can be read, as of no later moment than the run's own, which is the
    default. Raises Refused (`pit.naive_timestamp`, `dataset.unknown`, …) or, inside a run, RunRefused.
    """
    import polars as pl

    ref = dataset if isinstance(dataset, DatasetRef) else DatasetRef.parse(dataset)
    wanted = version if version is not None else ref.version
    if SOCKET_SETTING in os.environ:
        return _selected(_read_in_run(ref.name, wanted, as_of), first, last, entities, columns)
    content = shared_client().read_rows(
        ref.name,
        version=wanted,
        as_of=as_of.isoformat() if isinstance(as_of, datetime) else as_of,
        first=first.isoformat() if first else None,
        last=last.isoformat() if last else None,
        entity=list(entities) if entities is not None else None,
        column=list(columns) if columns is not None else None,
    )
    return pl.read_ipc_stream(io.BytesIO(content))


def write_dataset(dataset: str | DatasetRef, rows: "pl.DataFrame", *, backfill: bool = False) -> DatasetRef:
    """Add rows (entity, date, knowledge_date, columns) as a new version; returns it.

    Rows that are stored already make no version: then the present one comes back. Inside a run this only
    stages the rows: they become a version when the run completes. Raises Refused (`pit.*`, `dataset.*`).
    """
    ref = dataset if isinstance(dataset, DatasetRef) else DatasetRef.parse(dataset)
    if SOCKET_SETTING in os.environ:
        _stage_in_run(rows)
        return DatasetRef(ref.name)
    content = io.BytesIO()
    rows.write_parquet(content)
    written = shared_client().write_dataset_version(ref.name, content.getvalue(), backfill=backfill)
    made = next(
        (one.partition(":")[2] for one in written["refs"] if one.startswith("dataset_version:")), None
    )
    if made is not None:
        return DatasetRef.parse(made)
    newest = shared_client().list_dataset_versions(ref.name, limit=1)["items"][0]
    return DatasetRef(ref.name, newest["number"])


def _read_in_run(name: str, version: int | None, as_of: datetime | str | None) -> "pl.DataFrame":
    connection = _connected()
    try:
        moment = datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
        return connection.read_dataset(name, moment or connection.describe().as_of, version)
    finally:
        connection.close()


def _stage_in_run(rows: "pl.DataFrame") -> None:
    from optaic.mlops.runner.rows import write_rows

    path = Path("staged-rows.arrow").resolve()
    write_rows(rows, path)
    connection = _connected()
    try:
        connection.stage_output(path)
    finally:
        connection.close()


def _connected() -> "RunConnection":
    """Imported only inside a run: what it needs is heavy."""
    from optaic.mlops.runner.connection import connect

    return connect()


def _selected(
    rows: "pl.DataFrame",
    first: date | None,
    last: date | None,
    entities: Sequence[str] | None,
    columns: Sequence[str] | None,
) -> "pl.DataFrame":
    import polars as pl

    kept = rows if first is None else rows.filter(pl.col("date") >= first)
    kept = kept if last is None else kept.filter(pl.col("date") <= last)
    kept = kept if entities is None else kept.filter(pl.col("entity").is_in(list(entities)))
    return kept if columns is None else kept.select("entity", "date", "knowledge_date", *columns)
