"""What the datasets view answers, at one snapshot."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from application.queries import DatasetFilter
from application.views import DatasetVersionView, DatasetView, Page, RunErrorView
from domain.dataset.events import (
    DatasetCreated,
    DatasetVersionCompacted,
    DatasetVersionRegistered,
    DatasetVersionRejected,
    DatasetVersionVerified,
    DatasetVersionWritten,
)
from domain.shared.activity import StreamKey
from projections.datasets.tables import DATASETS, FACTS, VERSIONS, DatasetRow, DatasetVersionRow
from projections.engine.facts import Fact, act_view
from projections.engine.paging import Paged
from projections.engine.snapshot import Snapshot, StreamVersions

_created = msgspec.json.Decoder(DatasetCreated).decode
_written = msgspec.json.Decoder(DatasetVersionWritten).decode
_announced = msgspec.json.Decoder(DatasetVersionRegistered).decode
_verified = msgspec.json.Decoder(DatasetVersionVerified).decode
_rejected = msgspec.json.Decoder(DatasetVersionRejected).decode
_compacted = msgspec.json.Decoder(DatasetVersionCompacted).decode


def datasets(
    snapshot: Snapshot, filters: DatasetFilter, paged: Paged, streams: StreamVersions
) -> Page[DatasetView]:
    """A page of datasets by name."""
    c = snapshot.columns(DATASETS)
    statement = snapshot.rows(DATASETS)
    for name in ("kind", "instance"):
        wanted = getattr(filters, name)
        if wanted is not None:
            statement = statement.where(c[name] == wanted)
    return paged.page(
        snapshot,
        statement,
        [(c.name, False)],
        lambda rows: _dataset_views(snapshot, [DatasetRow(*row) for row in rows], streams),
    )


def dataset(snapshot: Snapshot, name: str, streams: StreamVersions) -> DatasetView | None:
    """One dataset."""
    row = snapshot.one(DATASETS, snapshot.columns(DATASETS).name == name)
    return _dataset_views(snapshot, [row], streams)[0] if row else None


def _dataset_views(
    snapshot: Snapshot, rows: Sequence[DatasetRow], streams: StreamVersions
) -> list[DatasetView]:
    facts = snapshot.facts(FACTS, [p for row in rows for p in (row.created, row.changed)])
    stands = streams([StreamKey("dataset", row.name) for row in rows])
    return [
        DatasetView(
            name=row.name,
            kind=cast("Any", row.kind),
            instance=row.instance,
            declaration=_created(facts[row.created].document or b"").declaration,
            newest=row.newest,
            versions=row.versions,
            created=act_view(facts[row.created]),
            changed=act_view(facts[row.changed]),
            stream_version=stands[StreamKey("dataset", row.name)],
        )
        for row in rows
    ]


def dataset_versions(
    snapshot: Snapshot, dataset: str, paged: Paged, streams: StreamVersions
) -> Page[DatasetVersionView]:
    """A page of a dataset's versions, newest first."""
    c = snapshot.columns(VERSIONS)
    return paged.page(
        snapshot,
        snapshot.rows(VERSIONS, c.dataset == dataset),
        [(c.number, True)],
        lambda rows: _version_views(snapshot, [DatasetVersionRow(*row) for row in rows], streams),
    )


def dataset_version(
    snapshot: Snapshot, dataset: str, number: int, streams: StreamVersions
) -> DatasetVersionView | None:
    """One version of a dataset."""
    c = snapshot.columns(VERSIONS)
    row = snapshot.one(VERSIONS, c.dataset == dataset, c.number == number)
    return _version_views(snapshot, [row], streams)[0] if row else None


def newest(snapshot: Snapshot, dataset: str, streams: StreamVersions) -> DatasetVersionView | None:
    """The newest verified version of a dataset, purged or not."""
    row = snapshot.one(DATASETS, snapshot.columns(DATASETS).name == dataset)
    if row is None or row.newest is None:
        return None
    return dataset_version(snapshot, dataset, row.newest, streams)


def _version_views(
    snapshot: Snapshot, rows: Sequence[DatasetVersionRow], streams: StreamVersions
) -> list[DatasetVersionView]:
    positions = [
        p for row in rows for p in (row.recorded, row.content, row.decided, row.compacted, row.purged)
    ]
    facts = snapshot.facts(FACTS, positions)
    stands = streams([StreamKey("dataset", row.dataset) for row in rows])
    return [_version_view(row, facts, stands[StreamKey("dataset", row.dataset)]) for row in rows]


class _Origin(msgspec.Struct, frozen=True):
    """What a version's first event tells, written here or announced."""

    parent: int | None
    backfill: bool
    simulated: bool = False
    run_id: str | None = None
    producer: Any = None


def _origin(row: DatasetVersionRow, document: bytes) -> _Origin:
    if row.content == row.recorded:
        written = _written(document)
        return _Origin(written.parent, written.backfill, written.simulated, written.run_id)
    announced = _announced(document)
    return _Origin(announced.parent, announced.backfill, producer=announced.producer)


def _version_view(row: DatasetVersionRow, facts: dict[int, Fact], stream_version: int) -> DatasetVersionView:
    def document(position: int) -> bytes:
        return facts[position].document or b""

    origin = _origin(row, document(row.recorded))
    rejected = _rejected(document(row.decided)) if row.decided and row.state == "rejected" else None
    files, content = _content(row, facts)
    return DatasetVersionView(
        dataset=row.dataset,
        number=row.number,
        ref=f"{row.dataset}@{row.number}",
        state=cast("Any", row.state),
        parent=origin.parent,
        files=files,
        content=content,
        backfill=origin.backfill,
        simulated=origin.simulated,
        run_id=origin.run_id,
        producer=origin.producer,
        rejection=RunErrorView(code=rejected.code, message=rejected.detail) if rejected else None,
        recorded=act_view(facts[row.recorded]),
        decided=None if row.decided is None else act_view(facts[row.decided]),
        compacted=None if row.compacted is None else act_view(facts[row.compacted]),
        purged=None if row.purged is None else act_view(facts[row.purged]),
        stream_version=stream_version,
    )


def _content(row: DatasetVersionRow, facts: dict[int, Fact]) -> tuple[Any, Any]:
    """Files and facts of the content; a compaction brings other files and another manifest."""
    if row.content is None:
        return (), None
    document = facts[row.content].document or b""
    told = _written(document) if row.content == row.recorded else _verified(document)
    if row.compacted is None:
        return told.files, told.facts
    compacted = _compacted(facts[row.compacted].document or b"")
    changes = {"row_hash": compacted.row_hash, "manifest_sha256": compacted.manifest_sha256}
    return compacted.files, msgspec.structs.replace(told.facts, **changes)
