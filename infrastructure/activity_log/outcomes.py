"""The first outcome of a command, found again: from its events, or from the row that a refusal left."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from application.ports import Outcome
from infrastructure.activity_log.submission import accepted

_EVENTS = """
SELECT position, body_hash, stream_id, stream_version, resource_type || ':' || resource_id
FROM activity_log WHERE tenant = ? AND command_id = ? ORDER BY ordinal"""
_OUTCOME = """
SELECT kind, position, code, detail, facts, body_hash
FROM command_outcome WHERE tenant = ? AND command_id = ?"""


def first_outcome(
    rows: Callable[[str, Sequence[Any]], Sequence[Any]], tenant: str, command_id: str
) -> Outcome | None:
    """Look a command up; `rows` runs one statement. None: never seen."""
    events = rows(_EVENTS, (tenant, command_id))
    if events:
        position, body_hash = events[-1][:2]
        return accepted(position, body_hash, [event[2:] for event in events])
    found = rows(_OUTCOME, (tenant, command_id))
    if not found:
        return None
    kind, position, code, detail, facts, body_hash = found[0]
    return Outcome(
        kind=kind,
        position=position,
        code=code,
        detail=detail,
        facts=msgspec.json.decode(facts),
        body_hash=body_hash,
    )
