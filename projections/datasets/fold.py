"""The fold of datasets."""

from domain.dataset.events import (
    DatasetCreated,
    DatasetVersionCompacted,
    DatasetVersionPurged,
    DatasetVersionRegistered,
    DatasetVersionRejected,
    DatasetVersionVerified,
    DatasetVersionWritten,
)
from domain.shared.activity import Event, RecordedEvent
from projections.datasets.tables import DATASETS, FACTS, VERSIONS, DatasetRow, DatasetVersionRow
from projections.engine.errors import ViewRowMissing
from projections.engine.facts import document, fact
from projections.engine.projection import Rows


def fold(recorded: RecordedEvent, event: Event, rows: Rows) -> None:
    """One event's changes to datasets and versions."""
    match event:
        case DatasetCreated():
            rows.add(FACTS, fact(recorded, document(recorded, event)))
            position = recorded.position
            row = DatasetRow(
                recorded.tenant, event.name, event.kind, event.instance, None, 0, position, position
            )
            rows.begin(DATASETS, row)
        case DatasetVersionWritten() | DatasetVersionRegistered():
            rows.add(FACTS, fact(recorded, document(recorded, event)))
            _added(recorded, event, rows)
        case DatasetVersionVerified():
            rows.add(FACTS, fact(recorded, document(recorded, event)))
            position = recorded.position
            _change(recorded, event, rows, state="verified", content=position, decided=position)
            _touch(recorded, event.dataset, rows, verified=event.number)
        case DatasetVersionRejected():
            rows.add(FACTS, fact(recorded, document(recorded, event)))
            _change(recorded, event, rows, state="rejected", decided=recorded.position)
            _touch(recorded, event.dataset, rows)
        case DatasetVersionCompacted():
            rows.add(FACTS, fact(recorded, document(recorded, event)))
            _change(recorded, event, rows, compacted=recorded.position)
            _touch(recorded, event.dataset, rows)
        case DatasetVersionPurged():
            rows.add(FACTS, fact(recorded, document(recorded, event)))
            _change(recorded, event, rows, purged=recorded.position)
            _touch(recorded, event.dataset, rows)
        case _:
            pass


def _added(
    recorded: RecordedEvent, event: DatasetVersionWritten | DatasetVersionRegistered, rows: Rows
) -> None:
    position, is_written = recorded.position, isinstance(event, DatasetVersionWritten)
    rows.begin(
        VERSIONS,
        DatasetVersionRow(
            tenant=recorded.tenant,
            dataset=event.dataset,
            number=event.number,
            state="verified" if is_written else "registered",
            recorded=position,
            content=position if is_written else None,
            decided=None,
            compacted=None,
            purged=None,
        ),
    )
    _touch(recorded, event.dataset, rows, verified=event.number if is_written else None, added=1)


def _change(
    recorded: RecordedEvent,
    event: DatasetVersionVerified | DatasetVersionRejected | DatasetVersionCompacted | DatasetVersionPurged,
    rows: Rows,
    **changes: object,
) -> None:
    rows.change(VERSIONS, recorded.tenant, event.dataset, event.number, **changes)


def _touch(
    recorded: RecordedEvent, name: str, rows: Rows, verified: int | None = None, added: int = 0
) -> None:
    row = rows.find(DATASETS, recorded.tenant, name)
    if row is None:
        raise ViewRowMissing(f"there is no dataset {name} to change")
    newest = row.newest if verified is None else max(verified, row.newest or 0)
    versions = row.versions + added
    rows.change(DATASETS, recorded.tenant, name, newest=newest, versions=versions, changed=recorded.position)
