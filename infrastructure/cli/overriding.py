"""The options by which an operator lets something pass a gate that blocks."""

from typing import Annotated, Any

import typer

Override = Annotated[
    bool, typer.Option("--override", help="Even if the gate blocks; needs the role operator.")
]
WhyOverride = Annotated[
    str | None, typer.Option("--reason", help="Why; --override needs it, and an auditor will read it.")
]


def answered(reason: str | None, *, override: bool) -> dict[str, Any]:
    """What a body says of it: nothing unless it was given."""
    return ({} if reason is None else {"reason": reason}) | ({"override": True} if override else {})
