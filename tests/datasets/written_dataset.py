"""A dataset under test: rows in, versions out, all through the real store."""

from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

import polars as pl

from application.ports import PreparedVersion
from domain.dataset.declaration import Column, Declaration
from domain.dataset.events import ContentFacts
from infrastructure.calendars import ExchangeSessions
from infrastructure.datasets.frames import MOMENT, TYPES
from infrastructure.datasets.intake import PARQUET
from infrastructure.datasets.store import FolderDatasetStore, StoredDatasets

VALUE = Declaration(columns=(Column(name="value", type="float64"),))
WRITTEN_AT = datetime(2030, 1, 1, tzinfo=UTC)
KEY = {"entity": pl.String(), "date": pl.Date(), "knowledge_date": MOMENT}


def moment(text: str) -> datetime:
    """`2024-01-02 21:00` and `2024-01-02`, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text: str) -> date:
    return date.fromisoformat(text)


def frame(rows, declaration: Declaration = VALUE, *, with_op: bool = False) -> pl.DataFrame:
    """Rows (entity, date, knowledge_date[, op], values...) given with texts for dates and moments."""
    schema = KEY | ({"op": pl.String()} if with_op else {})
    schema |= {column.name: TYPES[column.type] for column in declaration.columns}
    return pl.DataFrame(
        [(row[0], day(row[1]), moment(row[2]), *row[3:]) for row in rows], schema=schema, orient="row"
    )


class WrittenDataset:
    """Writes in turn; keeps the facts of each version, from 1."""

    def __init__(
        self, folder: Path, declaration: Declaration = VALUE, *, rows_per_file: int = 65_536
    ) -> None:
        self.folder = folder
        self.declaration = declaration
        self.store: StoredDatasets = FolderDatasetStore(
            folder / "store",
            zone_of=ExchangeSessions().zone,
            locations={"drop": folder / "drop"},
            rows_per_file=rows_per_file,
        )
        self.versions: list[ContentFacts] = []
        self._uploads = count()

    @property
    def newest(self) -> ContentFacts | None:
        return self.versions[-1] if self.versions else None

    @property
    def facts(self) -> ContentFacts:
        return self.versions[-1]

    def write(
        self, rows, *, backfill: bool | None = False, written_at: datetime = WRITTEN_AT
    ) -> PreparedVersion | None:
        """Rows as tuples or a frame; with five or more values the fourth is `op`."""
        content = rows
        if not isinstance(rows, pl.DataFrame):
            has_op = any(len(row) > 3 + len(self.declaration.columns) for row in rows)
            content = frame(rows, self.declaration, with_op=has_op)
        return self.upload(content, backfill=backfill, written_at=written_at)

    def upload(
        self, content: pl.DataFrame | bytes, media_type: str = PARQUET, **how
    ) -> PreparedVersion | None:
        path = self.folder / f"upload-{next(self._uploads)}"
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path)
        else:
            path.write_bytes(content)
        options = {"written_at": WRITTEN_AT, "backfill": False} | how
        prepared = self.store.prepare(self.declaration, self.newest, path, media_type, **options)
        if prepared is not None:
            self.versions.append(prepared.facts)
        return prepared

    def read(self, as_of: str | datetime | None, version: int | None = None, **narrowed) -> pl.DataFrame:
        facts = self.versions[-1 if version is None else version - 1]
        at = moment(as_of) if isinstance(as_of, str) else as_of
        return self.store.read(facts.manifest_sha256, at, **narrowed)

    def values(self, as_of: str | datetime | None, version: int | None = None, **narrowed) -> list:
        """(date, value) pairs as of a moment."""
        rows = self.read(as_of, version, **narrowed)
        return [(f"{at:%m-%d}", value) for at, value in rows.select("date", "value").iter_rows()]
