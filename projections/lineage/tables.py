"""The tables of the lineage graph. Nodes and edges never end, so both are appended with the position they
began at.
"""

from typing import Any

import msgspec

from projections.temporal import Appended, Relation

INPUT, OUTCOME, MODEL, OUTPUT, EXTENDS_PREDICTION, EXTENDS_SOURCE = range(6)
"""Kinds of edge, as they are stored: dataset version → run (two uses), model version → run, run → what it
made,
dataset version → the next version of the same dataset (prediction and source apart, as they are followed
apart)."""

KIND_NAMES = ("input", "outcome", "model", "output", "extends", "extends")


class NodeRow(msgspec.Struct, frozen=True, gc=False):
    """A node. Its number is the position of the event that brought it: an event brings at most one.

    `definition` (`name@1.2.0`) and `instance` stand at runs and model versions; at versions of prediction
    datasets the instance. `parent` is the parent's number that an announced dataset version still has to be
    tied to.
    """

    tenant: str
    type: str
    id: str
    number: int
    instance: str | None
    definition: str | None
    parent: int | None


class EdgeRow(msgspec.Struct, frozen=True, gc=False):
    """`source` went into `target`; `kind` as above."""

    tenant: str
    position: int
    ordinal: int
    source: int
    target: int
    kind: int


class DatasetRow(msgspec.Struct, frozen=True, gc=False):
    """What the graph must know of a dataset: whether an instance writes it."""

    tenant: str
    name: str
    kind: str
    instance: str | None


NODES = Appended(
    "lineage_node",
    NodeRow,
    key=3,
    indexes=[("tenant", "number"), ("tenant", "instance", "number"), ("tenant", "definition", "number")],
)
EDGES = Appended("lineage_edge", EdgeRow, key=3)
DATASETS = Appended("lineage_dataset", DatasetRow, key=2)

RELATIONS: tuple[Relation[Any], ...] = (NODES, EDGES, DATASETS)
