"""What writes answer with."""

from typing import Literal
from uuid import UUID

import msgspec

from application.views import DefinitionView, RunView
from domain.guardrails.events import GateReport


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command; the same again, with `repeated`, when its key is sent again."""

    command_id: UUID
    outcome: Literal["accepted", "unchanged"]
    """`unchanged`: everything was as asked already, and no event was written."""
    position: int
    """Last position of the command's events; read with `after=` this to see them."""
    refs: tuple[str, ...]
    """`type:id` of each resource that the events are about."""
    stream_versions: dict[str, int]
    """Stream version after the command, by the same `type:id`; `If-Match` names it."""
    repeated: bool
    dry_run: bool = False


class GateWritten(Written, frozen=True, kw_only=True):
    """What became of a command that passes a gate, with the gate's report."""

    report: GateReport | None = None


class DefinitionWritten(Written, frozen=True, kw_only=True):
    """What became of a package; `definition` is there once its evaluation is done (`?wait=`)."""

    definition: DefinitionView | None = None


class RunWritten(Written, frozen=True, kw_only=True):
    """What became of a wish for a run; `run` is there once it has ended (`?wait=`)."""

    run_id: str
    run: RunView | None = None


class RunClaimed(Written, frozen=True, kw_only=True):
    """A claimed run: its worker sends the token with everything that follows."""

    run_id: str
    token: str
    lease_s: float
    """The run fails unless something of it is heard within so many seconds."""


class BlobStored(msgspec.Struct, frozen=True, kw_only=True):
    """A stored blob."""

    sha256: str
    size_bytes: int
