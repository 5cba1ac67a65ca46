"""The lineage graph of one tenant in memory: compressed rows (CSR) for what was there, a small delta for
what came since.

Breadth first runs in C (scipy). The past is asked by masking edges by their position: edges never end, so the
graph as of a position is the edges up to it. Nodes are dense indexes here; their numbers ascend, so a new
node is the last.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingTypeStubs]
from scipy.sparse.csgraph import (  # pyright: ignore[reportMissingTypeStubs]
    breadth_first_order,  # pyright: ignore[reportUnknownVariableType]
)

from projections.lineage.tables import EXTENDS_SOURCE

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_DELTA_MIN = 500
_DELTA_SHARE = 20

_breadth_first: Callable[[Any, int], tuple[Ints, Ints]] = breadth_first_order  # pyright: ignore[reportUnknownVariableType]
"""(matrix, first node) → the nodes found, in order, and for each node of the matrix the one before it."""


@dataclass(frozen=True)
class Edges:
    """Edges as columns of equal length: dense indexes of source and target, kind, position."""

    source: Ints
    target: Ints
    kind: Ints
    position: Ints

    def __len__(self) -> int:
        return len(self.source)

    def take(self, which: Any) -> "Edges":
        """Some of the edges, by index or flag."""
        return Edges(self.source[which], self.target[which], self.kind[which], self.position[which])

    def allowed(self, at: int, *, extends: bool) -> Flags:
        """Which edges a question may follow: there by `at`, and no step between source versions unless
        asked for.
        """
        there = self.position <= at
        return there if extends else there & (self.kind != EXTENDS_SOURCE)

    def plus(self, more: "Edges") -> "Edges":
        """These edges and then the others."""
        names = ("source", "target", "kind", "position")
        return Edges(*(np.concatenate([getattr(self, n), getattr(more, n)]) for n in names))


def no_edges() -> Edges:
    """An empty set of edges."""
    return Edges(*(np.empty(0, np.int64) for _ in range(4)))


class Rows:
    """Edges of the base by their node on one side, so that a node's edges lie together."""

    def __init__(self, edges: Edges, near: Ints, far: Ints, nodes: int) -> None:
        self.order: Ints = np.argsort(near, kind="stable")
        counts = np.bincount(near, minlength=nodes)
        self.starts: Ints = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.far = far[self.order].astype(np.int32)
        self.edges = edges
        self.nodes = nodes
        self._matrices: dict[bool, Any] = {}

    def matrix(self, at: int, *, extends: bool) -> Any:
        """The adjacency that a question may follow; kept for questions about now."""
        is_now = not len(self.edges) or at >= int(self.edges.position[-1])
        if is_now and extends in self._matrices:
            return self._matrices[extends]
        keep = self.edges.allowed(at, extends=extends)[self.order]
        kept = np.concatenate([[0], np.cumsum(keep)])
        matrix = _matrix(self.far[keep], kept[self.starts], self.nodes)
        if is_now:
            self._matrices[extends] = matrix
        return matrix

    def of(self, nodes: Ints) -> Ints:
        """The indexes of all edges of some nodes."""
        nodes = nodes[nodes < self.nodes]
        first, count = self.starts[nodes], self.starts[nodes + 1] - self.starts[nodes]
        offsets = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        return self.order[np.repeat(first, count) + offsets]


def _matrix(columns: NDArray[Any], starts: NDArray[Any], nodes: int) -> Any:
    shape = (nodes, nodes)
    return csr_matrix((np.ones(len(columns)), columns.astype(np.int32), starts.astype(np.int32)), shape=shape)


@dataclass(frozen=True)
class Closure:
    """What a question reached: nodes by their depth in hops, and the edges among them."""

    nodes: Ints
    depths: Ints
    edges: Edges


@dataclass
class Graph:
    """The graph up to `loaded`. `numbers` are the nodes' numbers, `types` the types, both densely ordered."""

    loaded: int = 0
    numbers: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    types: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    base: Edges = field(default_factory=no_edges)
    delta: Edges = field(default_factory=no_edges)

    rows: tuple[Rows, Rows] | None = None
    """The base by source and by target."""

    def _rows(self, *, up: bool) -> Rows:
        if self.rows is None:
            nodes = len(self.numbers)
            down = Rows(self.base, self.base.source, self.base.target, nodes)
            self.rows = down, Rows(self.base, self.base.target, self.base.source, nodes)
        return self.rows[up]

    def dense(self, numbers: Ints) -> Ints:
        """The dense indexes of nodes by their numbers."""
        return np.searchsorted(self.numbers, numbers)

    def extended(self, loaded: int, numbers: Ints, types: Ints, edges: Edges) -> "Graph":
        """This graph with what came since, as another value; small news go into the delta."""
        known = np.concatenate([self.numbers, numbers])
        source, target = (np.searchsorted(known, each) for each in (edges.source, edges.target))
        delta = self.delta.plus(Edges(source, target, edges.kind, edges.position))
        base, rows = self.base, self.rows
        if not len(base) or len(delta) > max(_DELTA_MIN, len(base) // _DELTA_SHARE):
            base, delta, rows = base.plus(delta), no_edges(), None
        return Graph(loaded, known, np.concatenate([self.types, types]), base, delta, rows)

    def closure(self, roots: Ints, at: int, *, up: bool, extends: bool, depth: int | None) -> Closure:
        """Everything that `roots` came from (`up`) or that came of them, within `depth` hops, as of `at`."""
        rows = self._rows(up=up)
        allowed = self.delta.allowed(at, extends=extends)
        delta = self.delta.take(allowed)
        near, far = (delta.target, delta.source) if up else (delta.source, delta.target)
        reached = self._reach(rows.matrix(at, extends=extends), roots, near, far)
        edges = self._among(rows, reached, delta, at, extends=extends)
        return _levelled(np.flatnonzero(reached), roots, edges, up=up, depth=depth)

    def _reach(self, matrix: Any, roots: Ints, near: Ints, far: Ints) -> Flags:
        """Breadth first through the base; edges of the delta open new beginnings until none is left."""
        reached = np.zeros(len(self.numbers), np.bool_)
        begin = roots
        while len(begin):
            reached[begin] = True
            reached[_search(matrix, begin)] = True
            opened = reached[near] & ~reached[far]
            begin = np.unique(far[opened])
        return reached

    def _among(self, rows: Rows, reached: Flags, delta: Edges, at: int, *, extends: bool) -> Edges:
        base = self.base.take(rows.of(np.flatnonzero(reached)))
        edges = base.take(base.allowed(at, extends=extends)).plus(delta)
        return edges.take(reached[edges.source] & reached[edges.target])


def _search(matrix: Any, begin: Ints) -> Ints:
    """All nodes that breadth first search finds from some nodes."""
    nodes = matrix.shape[0]
    begin = begin[begin < nodes]
    if not len(begin):
        return begin
    if len(begin) == 1:
        found, _ = _breadth_first(matrix, int(begin[0]))
        return found
    columns = np.concatenate([matrix.indices, begin])
    starts = np.concatenate([matrix.indptr, [len(columns)]])
    found, _ = _breadth_first(_matrix(columns, starts, nodes + 1), nodes)
    return found[found < nodes]


def _levelled(nodes: Ints, roots: Ints, edges: Edges, *, up: bool, depth: int | None) -> Closure:
    """Depths by breadth first search over the closure alone, from a node before all roots; then the cut at
    `depth`.
    """
    count = len(nodes)
    near, far = (edges.target, edges.source) if up else (edges.source, edges.target)
    heads = np.concatenate([np.searchsorted(nodes, near), np.full(len(roots), count)])
    tails = np.searchsorted(nodes, np.concatenate([far, roots]))
    order = np.argsort(heads, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(heads, minlength=count + 1))])
    found, predecessors = _breadth_first(_matrix(tails[order], starts, count + 1), count)
    depths = [-1] * (count + 1)
    before = predecessors.tolist()
    for node in found[1:].tolist():
        depths[node] = depths[before[node]] + 1
    levels = np.array(depths[:count], np.int64)
    if depth is None:
        return Closure(nodes, levels, edges)
    near_enough = levels <= depth
    kept = np.isin(edges.source, nodes[near_enough]) & np.isin(edges.target, nodes[near_enough])
    return Closure(nodes[near_enough], levels[near_enough], edges.take(kept))
