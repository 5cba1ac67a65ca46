"""Lineage for other tools: networkx graphs, node-link JSON and GraphML."""

import io
from typing import Any

import msgspec
import networkx as nx

from application.views import LineageView

_nx: Any = nx
"""networkx is typed in part only; its use here is narrow."""


def as_networkx(view: LineageView) -> Any:
    """The view as a `networkx.MultiDiGraph`: nodes by their reference, edges by their kind."""
    graph = _nx.MultiDiGraph(position=view.position)
    for node in view.nodes:
        known = {"instance": node.instance, "definition": node.definition}
        facts = {name: value for name, value in known.items() if value is not None}
        graph.add_node(node.node, type=node.type, depth=node.depth, position=node.position, **facts)
    for edge in view.edges:
        graph.add_edge(edge.source, edge.target, key=edge.kind, kind=edge.kind, position=edge.position)
    return graph


def node_link_json(view: LineageView) -> bytes:
    """The view in networkx's node-link form, as JSON."""
    return msgspec.json.encode(_nx.node_link_data(as_networkx(view), edges="edges"))


def graphml(view: LineageView) -> bytes:
    """The view as GraphML, UTF-8."""
    target = io.BytesIO()
    _nx.write_graphml(as_networkx(view), target)
    return target.getvalue()
