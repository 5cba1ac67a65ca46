"""What the lineage view answers, at one snapshot, from the graph in memory."""

import threading
from collections.abc import Iterable, Sequence

import numpy as np
from sqlalchemy import ColumnElement, select

from application.views import Direction, EdgeView, LineageView, NodeView
from domain.shared.references import NODE_TYPES, NodeRef
from projections.engine.snapshot import Snapshot
from projections.lineage.graph import Closure, Edges, Graph, Ints
from projections.lineage.tables import (
    EDGES,
    EXTENDS_PREDICTION,
    KIND_NAMES,
    NODES,
    OUTCOME,
    OUTPUT,
    NodeRow,
)

NODES_SHOWN_MAX = 2_000
"""A view shows at most so many nodes, nearest first; counts are of all."""

_TYPE_CODES = {name: code for code, name in enumerate(NODE_TYPES)}


class Graphs:
    """The graphs of all tenants, brought up to date when they are asked."""

    def __init__(self) -> None:
        self._graphs: dict[str, Graph] = {}
        self._turn = threading.Lock()

    def of(self, snapshot: Snapshot) -> Graph:
        """The tenant's graph with everything up to the snapshot's moment (and perhaps beyond: questions
        mask it).
        """
        graph = self._graphs.get(snapshot.tenant)
        if graph is not None and graph.loaded >= snapshot.at:
            return graph
        with self._turn:
            graph = self._graphs.get(snapshot.tenant) or Graph()
            if graph.loaded < snapshot.at:
                graph = self._graphs[snapshot.tenant] = _extended(graph, snapshot)
            return graph


def _extended(graph: Graph, snapshot: Snapshot) -> Graph:
    n, e = snapshot.columns(NODES), snapshot.columns(EDGES)
    nodes = select(n.number, n.type).where(
        n.tenant == snapshot.tenant, n.number > graph.loaded, n.number <= snapshot.at
    )
    edges = select(e.source, e.target, e.kind, e.position).where(
        e.tenant == snapshot.tenant, e.position > graph.loaded, e.position <= snapshot.at
    )
    found = snapshot.connection.execute(nodes.order_by(n.number)).all()
    ties = snapshot.connection.execute(edges.order_by(e.position, e.ordinal)).all()
    columns = np.array([tuple(tie) for tie in ties], np.int64).reshape(-1, 4).T
    return graph.extended(
        snapshot.at,
        np.array([row[0] for row in found], np.int64),
        np.array([_TYPE_CODES[row[1]] for row in found], np.int64),
        Edges(*(np.ascontiguousarray(column) for column in columns)),
    )


def lineage(
    snapshot: Snapshot,
    graphs: Graphs,
    node: NodeRef,
    direction: Direction,
    depth: int | None,
    *,
    extends: bool,
) -> LineageView | None:
    """Where a node came from, what came of it, or both."""
    root = _find(snapshot, node)
    if root is None:
        return None
    graph = graphs.of(snapshot)
    roots = graph.dense(np.array([root.number], np.int64))
    closures = [
        graph.closure(roots, snapshot.at, up=up, extends=extends, depth=depth)
        for up in (True, False)
        if direction in ("both", "up" if up else "down")
    ]
    return _view(snapshot, graph, (str(node),), direction, closures)


def _find(snapshot: Snapshot, node: NodeRef) -> NodeRow | None:
    c = snapshot.columns(NODES)
    return snapshot.one(NODES, c.type == node.type, c.id == node.id, c.number <= snapshot.at)


def _view(
    snapshot: Snapshot,
    graph: Graph,
    roots: tuple[str, ...],
    direction: Direction,
    closures: Sequence[Closure],
) -> LineageView:
    depths: dict[int, int] = {}
    edges: dict[tuple[int, int, int], int] = {}
    for closure in closures:
        depths |= {
            node: min(level, depths.get(node, level))
            for node, level in zip(closure.nodes.tolist(), closure.depths.tolist(), strict=True)
        }
        columns = (closure.edges.source, closure.edges.target, closure.edges.kind, closure.edges.position)
        for source, target, kind, position in zip(*(column.tolist() for column in columns), strict=True):
            edges[source, target, kind] = position
    shown = sorted(depths, key=lambda node: (depths[node], node))[:NODES_SHOWN_MAX]
    rows = _rows(snapshot, graph.numbers[np.array(shown, np.int64)].tolist())
    nodes = [_node_view(rows[int(graph.numbers[node])], depths[node]) for node in shown]
    names = dict(zip(shown, (each.node for each in nodes), strict=True))
    return LineageView(
        roots=roots,
        direction=direction,
        nodes=tuple(nodes),
        edges=tuple(
            EdgeView(source=names[source], target=names[target], kind=KIND_NAMES[kind], position=position)
            for (source, target, kind), position in sorted(edges.items(), key=lambda edge: (edge[1], edge[0]))
            if source in names and target in names
        ),
        extends=sum(kind >= EXTENDS_PREDICTION for _, _, kind in edges),
        truncated=len(shown) < len(depths),
        counts=_counts(graph, depths),
        position=snapshot.at,
    )


def _counts(graph: Graph, nodes: Iterable[int]) -> dict[str, int]:
    counts = np.bincount(graph.types[np.array(list(nodes), np.int64)], minlength=len(NODE_TYPES)).tolist()
    return {name: count for name, count in zip(NODE_TYPES, counts, strict=True) if count}


def _node_view(row: NodeRow, depth: int) -> NodeView:
    return NodeView(
        node=f"{row.type}:{row.id}",
        type=row.type,
        id=row.id,
        depth=depth,
        instance=row.instance,
        definition=row.definition,
        position=row.number,
    )


def _rows(snapshot: Snapshot, numbers: Sequence[int]) -> dict[int, NodeRow]:
    wanted = snapshot.rows(NODES, snapshot.columns(NODES).number.in_(numbers))
    return {row.number: row for row in snapshot.fetch(NODES, wanted)}


class Reached:
    """Everything downstream of something: counts by type of all, and the first nodes in order of
    appearance.
    """

    def __init__(self, snapshot: Snapshot, graph: Graph, nodes: Ints) -> None:
        self.counts = _counts(graph, nodes.tolist())
        shown = graph.numbers[nodes[:NODES_SHOWN_MAX]].tolist()
        self.nodes = [row for _, row in sorted(_rows(snapshot, shown).items())]
        self.truncated = len(nodes) > NODES_SHOWN_MAX


def downstream_of_node(snapshot: Snapshot, graphs: Graphs, node: NodeRef, *, extends: bool) -> Reached | None:
    """What came of a node, the node itself left out."""
    root = _find(snapshot, node)
    if root is None:
        return None
    return _downstream(snapshot, graphs, [root.number], extends=extends, without_roots=True)


def models_trained_on(snapshot: Snapshot, graphs: Graphs, node: NodeRef) -> tuple[str, ...]:
    """Model versions whose own training read a dataset version or a later version of the same dataset.

    The way is: any number of `extends`, then into a training run, then out to its model version.
    """
    root = _find(snapshot, node)
    if root is None:
        return ()
    graph = graphs.of(snapshot)
    start = graph.dense(np.array([root.number], np.int64))
    edges = graph.closure(start, snapshot.at, up=False, extends=True, depth=None).edges
    steps = sorted(zip(edges.source.tolist(), edges.target.tolist(), edges.kind.tolist(), strict=True))
    grown, readers, models = {int(start[0])}, set[int](), set[int]()
    # Sources ascend, and an edge goes from an older node to a younger one: one pass is enough.
    for source, target, kind in steps:
        if kind >= EXTENDS_PREDICTION and source in grown:
            grown.add(target)
        elif kind <= OUTCOME and source in grown:
            readers.add(target)
        elif kind == OUTPUT and source in readers:
            models.add(target)
    rows = _rows(snapshot, graph.numbers[np.array(sorted(models), np.int64)].tolist())
    return tuple(row.id for _, row in sorted(rows.items()) if row.type == "model_version")


def downstream_of_definition(
    snapshot: Snapshot, graphs: Graphs, definition: str, *, extends: bool
) -> Reached:
    """The runs and model versions of a definition version, and what came of them."""
    roots = _numbers(snapshot, snapshot.columns(NODES).definition == definition)
    return _downstream(snapshot, graphs, roots, extends=extends)


def downstream_of_instance(snapshot: Snapshot, graphs: Graphs, instance: str, *, extends: bool) -> Reached:
    """The runs, model versions and predictions of an instance, and what came of them."""
    roots = _numbers(snapshot, snapshot.columns(NODES).instance == instance)
    return _downstream(snapshot, graphs, roots, extends=extends)


def _numbers(snapshot: Snapshot, where: ColumnElement[bool]) -> list[int]:
    c = snapshot.columns(NODES)
    statement = select(c.number).where(c.tenant == snapshot.tenant, c.number <= snapshot.at, where)
    return list(snapshot.connection.execute(statement.order_by(c.number)).scalars())


def _downstream(
    snapshot: Snapshot, graphs: Graphs, numbers: Sequence[int], *, extends: bool, without_roots: bool = False
) -> Reached:
    graph = graphs.of(snapshot)
    roots = graph.dense(np.array(numbers, np.int64))
    closure = graph.closure(roots, snapshot.at, up=False, extends=extends, depth=None)
    nodes = closure.nodes[closure.depths > 0] if without_roots else closure.nodes
    return Reached(snapshot, graph, nodes)
