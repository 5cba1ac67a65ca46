"""Lineage: where something came from, and what was built on it."""

import io
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Query, Response

from application.views import Direction, ImpactView, LineageView
from domain.shared.references import NodeRef
from infrastructure.http.accepted import preferred
from infrastructure.http.errors import LineageNodeUnknown
from infrastructure.http.reading import Read, found
from infrastructure.http.schemas import answers

router = APIRouter(prefix="/lineage", tags=["lineage"])

JSON = "application/json"
NODE_LINK = "application/vnd.optaic.node-link+json"
GRAPHML = "application/graphml+xml"
Depth = Annotated[int | None, Query(ge=1, le=10_000, description="Hops; default: all.")]
Extends = Annotated[bool, Query(description="Follow versions of source datasets to their parents as well.")]


@router.get("/{node}", **answers(LineageView, refusals=[404, 415], also=[NODE_LINK, GRAPHML]))
def show_lineage(
    node: str,
    read: Read,
    direction: Direction = "both",
    depth: Depth = None,
    extends: Extends = False,
    accept: Annotated[str | None, Header()] = None,
) -> Response:
    """Around a node such as `model_version:spx-alpha@3`; node-link JSON and GraphML by `Accept`."""
    kind = preferred(accept, (JSON, NODE_LINK, GRAPHML))
    start = NodeRef.parse(node)
    view = found(
        read.queries.lineage(read.tenant, start, direction, depth, read.moment(), extends=extends),
        LineageNodeUnknown,
        f"lineage node {node}",
    )
    return read.show(view) if kind == JSON else _exported(view, kind)


@router.get("/{of}/impact", **answers(ImpactView, refusals=[404]))
def show_impact(of: str, read: Read, extends: Extends = False) -> Response:
    """Everything downstream of a node, a definition version (`name@1.2.0`) or an instance (its name)."""
    view = read.queries.impact(read.tenant, of, read.moment(), extends=extends)
    return read.show(found(view, LineageNodeUnknown, f"node, definition version or instance {of}"))


def _exported(view: LineageView, kind: str) -> Response:
    import networkx as nx

    graph: Any = nx.DiGraph()
    for node in view.nodes:
        facts = msgspec.structs.asdict(node)
        graph.add_node(facts.pop("node"), **{key: fact for key, fact in facts.items() if fact is not None})
    for edge in view.edges:
        graph.add_edge(edge.source, edge.target, kind=edge.kind, position=edge.position)
    if kind == NODE_LINK:
        return Response(msgspec.json.encode(nx.node_link_data(graph, edges="edges")), media_type=kind)
    content = io.BytesIO()
    nx.write_graphml(graph, content)
    return Response(content.getvalue(), media_type=kind)
