"""Takes checked rows in: what is new gets its `seq`, its files and a manifest that extends the parent's."""

from datetime import UTC, datetime

import msgspec
import polars as pl

from application.ports import PreparedVersion
from domain.dataset.declaration import Coverage, DataFile, Declaration
from domain.dataset.events import ContentFacts
from domain.point_in_time import needs_backfill
from infrastructure.datasets.files import DatasetFiles
from infrastructure.datasets.frames import ROW_MODEL, value_schema
from infrastructure.datasets.growth import Growth, growth
from infrastructure.datasets.manifest import FORM, FileEntry, Manifest, Segment, schema_sha256
from infrastructure.datasets.row_checks import check_high_water
from infrastructure.datasets.row_hash import extended


def stored_version(
    files: DatasetFiles,
    declaration: Declaration,
    parent: ContentFacts | None,
    rows: pl.DataFrame,
    *,
    written_at: datetime,
    backfill: bool | None,
) -> PreparedVersion | None:
    """Store what checked rows add to the parent; None if that is nothing. Raises PitBackdatedWrite (R5)."""
    base = None if parent is None else files.manifest(parent.manifest_sha256)
    new = growth(rows, base.files if base else (), files)
    if new.rows.is_empty():
        return None
    high_water = base.knowledge_last if base else None
    if backfill is False:
        check_high_water(new.rows, high_water)
    if backfill is None:
        backfill = needs_backfill(_moment(new.rows["knowledge_date"].min()), high_water)
    numbered = _numbered(new, declaration, base.segments[-1].last_seq if base else 0)
    entries = files.write(
        numbered.rows, numbered.revised(), f"written {written_at.astimezone(UTC).isoformat()}"
    )
    manifest = _manifest(files, declaration, parent, base, numbered, entries)
    facts = manifest.facts(files.put_manifest(manifest))
    return PreparedVersion(files=data_files(entries), facts=facts, backfill=backfill)


def data_files(entries: tuple[FileEntry, ...]) -> tuple[DataFile, ...]:
    """Files as events name them."""
    return tuple(entry.data_file() for entry in entries)


def unchanged(parent: ContentFacts) -> ContentFacts:
    """The facts of a version that adds nothing."""
    return msgspec.structs.replace(parent, rows=0, superseding=0)


def _numbered(new: Growth, declaration: Declaration, last_seq: int) -> Growth:
    """Give `seq` in the order (date, entity, knowledge_date): the order of an upload's rows says nothing."""
    ordered = new.rows.sort("date", "entity", "knowledge_date")
    seq = pl.int_range(last_seq + 1, last_seq + 1 + ordered.height, dtype=pl.Int64(), eager=True)
    names = [*ROW_MODEL, *value_schema(declaration.columns)]
    return Growth(ordered.with_columns(seq.alias("seq")).select(names), new.stored_keys, new.touched)


def _manifest(
    files: DatasetFiles,
    declaration: Declaration,
    parent: ContentFacts | None,
    base: Manifest | None,
    new: Growth,
    entries: tuple[FileEntry, ...],
) -> Manifest:
    knowledge = new.rows["knowledge_date"]
    first, last = _moment(knowledge.min()), _moment(knowledge.max())
    entities = set(new.rows["entity"].unique().to_list())
    known = files.entities(base.entities_sha256) if base else set[str]()
    everyone = known | entities
    segment = Segment(rows=new.rows.height, last_seq=entries_last_seq(new))
    superseding = new.rows.join(new.stored_keys, on=["entity", "date"], how="semi").height
    return Manifest(
        form=FORM,
        parent=parent.manifest_sha256 if parent else None,
        compacted_from=None,
        columns=declaration.columns,
        schema_sha256=schema_sha256(declaration.columns),
        files=(*_touched(base.files if base else (), new), *entries),
        segments=(*(base.segments if base else ()), segment),
        row_hash=extended(base.row_hash if base else None, new.rows),
        entities_sha256=base.entities_sha256 if base and everyone == known else files.put_entities(everyone),
        coverage=_coverage(base, new, len(everyone)),
        knowledge_first=min(first, base.knowledge_first) if base else first,
        knowledge_last=max(last, base.knowledge_last) if base else last,
        superseding=superseding,
    )


def entries_last_seq(new: Growth) -> int:
    """The greatest `seq` that a write gave."""
    last = new.rows["seq"].max()
    assert isinstance(last, int)
    return last


def _touched(parents: tuple[FileEntry, ...], new: Growth) -> list[FileEntry]:
    """The parent's files, marked where a key of theirs now has another row."""
    return [
        msgspec.structs.replace(entry, revised=True) if entry.sha256 in new.touched else entry
        for entry in parents
    ]


def _coverage(base: Manifest | None, new: Growth, entities: int) -> Coverage:
    dates = [new.rows["date"].min(), new.rows["date"].max()]
    keys = new.rows.select("entity", "date").n_unique() - new.stored_keys.height
    first, last = str(dates[0]), str(dates[1])
    if base is None:
        return Coverage(first_date=first, last_date=last, entities=entities, keys=keys)
    return Coverage(
        first_date=min(first, base.coverage.first_date or first),
        last_date=max(last, base.coverage.last_date or last),
        entities=entities,
        keys=base.coverage.keys + keys,
    )


def _moment(value: object) -> datetime:
    assert isinstance(value, datetime)
    return value.astimezone(UTC)
