"""The graph in memory answers as networkx does, however it grew and as of any position."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.lineage import graph as lineage_graph
from projections.lineage.graph import Edges, Graph
from projections.lineage.tables import EXTENDS_SOURCE, INPUT

MAX_NODES = 30

edges = st.lists(
    st.tuples(
        st.integers(1, MAX_NODES - 1), st.integers(1, MAX_NODES), st.sampled_from([INPUT, EXTENDS_SOURCE])
    ).filter(lambda edge: edge[0] < edge[1]),
    unique_by=lambda edge: edge[:2],
    max_size=70,
)


@pytest.fixture(scope="module", autouse=True)
def small_deltas():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lineage_graph, "_DELTA_MIN", 6)
        yield


def grown(ties, cuts):
    """The graph after news in portions; node n is there from n on, an edge from its target on."""
    made, former = Graph(), 0
    for cut in [*sorted(cuts), MAX_NODES]:
        nodes = np.arange(former + 1, cut + 1)
        news = sorted((tie for tie in ties if former < tie[1] <= cut), key=lambda tie: tie[1])
        columns = np.array([(s, t, k, t) for s, t, k in news], np.int64).reshape(-1, 4).T
        made = made.extended(cut, nodes, np.zeros(len(nodes), np.int64), Edges(*columns))
        made.closure(np.array([0]), cut, up=False, extends=True, depth=None)
        former = cut
    return made


@settings(max_examples=150, deadline=None)
@given(
    ties=edges,
    cuts=st.sets(st.integers(1, MAX_NODES - 1), max_size=4),
    roots=st.sets(st.integers(1, MAX_NODES), min_size=1, max_size=4),
    at=st.integers(1, MAX_NODES),
    depth=st.sampled_from([None, 0, 1, 3]),
    up=st.booleans(),
    extends=st.booleans(),
)
def test_a_closure_equals_that_of_networkx(ties, cuts, roots, at, depth, up, extends):
    oracle = nx.DiGraph()
    oracle.add_nodes_from(range(1, MAX_NODES + 1))
    followed = [(s, t) for s, t, kind in ties if t <= at and (extends or kind != EXTENDS_SOURCE)]
    oracle.add_edges_from(followed)
    ways = oracle.reverse() if up else oracle
    expected: dict[int, int] = {}
    for root in roots:
        for node, hops in nx.single_source_shortest_path_length(ways, root, cutoff=depth).items():
            expected[node] = min(hops, expected.get(node, hops))
    made = grown(ties, cuts)
    start = made.dense(np.array(sorted(roots), np.int64))
    found = made.closure(start, at, up=up, extends=extends, depth=depth)
    assert dict(zip(made.numbers[found.nodes].tolist(), found.depths.tolist(), strict=True)) == expected
    among = {(s, t) for s, t in followed if s in expected and t in expected}
    ends = (made.numbers[each].tolist() for each in (found.edges.source, found.edges.target))
    assert sorted(zip(*ends, strict=True)) == sorted(among)
