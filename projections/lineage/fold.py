"""The fold of the lineage graph."""

from domain.dataset.events import (
    DatasetCreated,
    DatasetVersionRegistered,
    DatasetVersionVerified,
    DatasetVersionWritten,
)
from domain.model_version.events import VersionRegistered
from domain.run.events import RunSubmitted
from domain.shared.activity import Event, RecordedEvent
from projections.engine.errors import ViewRowMissing
from projections.engine.projection import Rows
from projections.lineage.tables import (
    DATASETS,
    EDGES,
    EXTENDS_PREDICTION,
    EXTENDS_SOURCE,
    INPUT,
    MODEL,
    NODES,
    OUTCOME,
    OUTPUT,
    DatasetRow,
    EdgeRow,
    NodeRow,
)


def fold(recorded: RecordedEvent, event: Event, rows: Rows) -> None:
    """One event's nodes and edges."""
    match event:
        case RunSubmitted():
            _run(recorded, event, rows)
        case VersionRegistered():
            model = f"{event.instance}@{event.number}"
            node = _node(recorded, rows, "model_version", model, event.instance, str(event.definition))
            run = _known(recorded, rows, "training_run", event.run_id)
            _edge(recorded, rows, 0, run, node, OUTPUT)
        case DatasetCreated():
            rows.introduce(DATASETS, DatasetRow(recorded.tenant, event.name, event.kind, event.instance))
        case DatasetVersionWritten():
            _written(recorded, event, rows)
        case DatasetVersionRegistered():
            _announced(recorded, event, rows)
        case DatasetVersionVerified():
            _verified(recorded, event, rows)
        case _:
            pass


def _run(recorded: RecordedEvent, event: RunSubmitted, rows: Rows) -> None:
    """Inputs and model are pinned at submission, so all edges into a run begin there."""
    kind = f"{event.kind}_run"
    run = _node(recorded, rows, kind, event.run_id, event.instance, str(event.definition))
    sources: dict[tuple[int, int], None] = {}
    for pinned in event.inputs:
        if pinned.use == "watched":
            continue  # what a monitoring judges are the predictions and what came of them
        use = OUTCOME if pinned.use == "outcome" else INPUT
        sources[_known(recorded, rows, "dataset_version", f"{pinned.dataset}@{pinned.version}"), use] = None
    if event.model is not None:
        model = f"{event.instance}@{event.model.number}"
        sources[_known(recorded, rows, "model_version", model), MODEL] = None
    for ordinal, (source, use) in enumerate(sources):
        _edge(recorded, rows, ordinal, source, run, use)


def _written(recorded: RecordedEvent, event: DatasetVersionWritten, rows: Rows) -> None:
    dataset = _dataset(recorded, event.dataset, rows)
    node = _node(recorded, rows, "dataset_version", f"{event.dataset}@{event.number}", dataset.instance, None)
    if event.run_id is not None:
        _edge(recorded, rows, 0, _known(recorded, rows, "inference_run", event.run_id), node, OUTPUT)
    if event.parent is not None:
        parent = _known(recorded, rows, "dataset_version", f"{event.dataset}@{event.parent}")
        _edge(recorded, rows, 1, parent, node, _extends(dataset))


def _announced(recorded: RecordedEvent, event: DatasetVersionRegistered, rows: Rows) -> None:
    """The node is there; the edge from its parent waits until the bytes are verified."""
    dataset = _dataset(recorded, event.dataset, rows)
    parent = None
    if event.parent is not None:
        parent = _known(recorded, rows, "dataset_version", f"{event.dataset}@{event.parent}")
    identity = f"{event.dataset}@{event.number}"
    _node(recorded, rows, "dataset_version", identity, dataset.instance, None, parent)


def _verified(recorded: RecordedEvent, event: DatasetVersionVerified, rows: Rows) -> None:
    node = rows.find(NODES, recorded.tenant, "dataset_version", f"{event.dataset}@{event.number}")
    if node is None:
        raise ViewRowMissing(f"{event.dataset}@{event.number} was never announced")
    if node.parent is not None:
        dataset = _dataset(recorded, event.dataset, rows)
        _edge(recorded, rows, 0, node.parent, node.number, _extends(dataset))


def _node(
    recorded: RecordedEvent,
    rows: Rows,
    kind: str,
    identity: str,
    instance: str | None,
    definition: str | None,
    parent: int | None = None,
) -> int:
    """An event brings at most one node, so its position is the node's number."""
    position = recorded.position
    node = NodeRow(recorded.tenant, kind, identity, position, instance, definition, parent)
    rows.introduce(NODES, node)
    return position


def _known(recorded: RecordedEvent, rows: Rows, kind: str, identity: str) -> int:
    node = rows.find(NODES, recorded.tenant, kind, identity)
    if node is None:
        raise ViewRowMissing(f"the log never introduced {kind}:{identity}")
    return node.number


def _dataset(recorded: RecordedEvent, name: str, rows: Rows) -> DatasetRow:
    dataset = rows.find(DATASETS, recorded.tenant, name)
    if dataset is None:
        raise ViewRowMissing(f"the log never introduced the dataset {name}")
    return dataset


def _extends(dataset: DatasetRow) -> int:
    return EXTENDS_PREDICTION if dataset.kind == "prediction" else EXTENDS_SOURCE


def _edge(recorded: RecordedEvent, rows: Rows, ordinal: int, source: int, target: int, kind: int) -> None:
    rows.add(EDGES, EdgeRow(recorded.tenant, recorded.position, ordinal, source, target, kind))
