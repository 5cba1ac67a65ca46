"""`lineage`: where something came from, and what was built on it."""

from typing import Annotated, Any

import typer

from infrastructure.cli import output
from infrastructure.cli.api import segment
from infrastructure.cli.session import Session, command

Node = Annotated[
    str, typer.Argument(help="model_version:spx-alpha@3, dataset_version:us-prices@1, training_run:…")
]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    command(app, "lineage", help="Where a node came from (--up) and what came of it (--down).")(lineage)


def lineage(
    session: Session,
    node: Node,
    up: Annotated[bool, typer.Option("--up", help="Only where it came from.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only what came of it.")] = False,
    depth: Annotated[int | None, typer.Option(min=1, help="Hops; default: all.")] = None,
    as_of: Annotated[str | None, typer.Option(help="A log position, or a time with offset.")] = None,
) -> None:
    """Edges, one a line."""
    direction = "both" if up == down else "up" if up else "down"
    query = {"direction": direction, "depth": depth, "as_of": as_of}
    view: dict[str, Any] = session.api.get(f"/lineage/{segment(node)}", query).json()
    if session.as_json:
        output.print_json(view)
        return
    output.print_lines(f"{edge['target']} ← {edge['source']}  {edge['kind']}" for edge in view["edges"])
    counts = ", ".join(f"{count} {kind}" for kind, count in view["counts"].items())
    print(f"{counts} as of [{view['position']}]")
