"""A place in a log, known again later: whoever keeps how far it has come can tell this log from another."""

import os
from pathlib import Path

from application.ports import ActivityLog


def event_id_at(log: ActivityLog, position: int) -> str | None:
    """The id of the event there; None beyond the head and for position 0."""
    found = log.read(position - 1, 1) if position > 0 else ()
    return str(found[0].event_id) if found else None


def is_place_of(log: ActivityLog, position: int, event_id: str | None, at_us: int) -> bool:
    """Whether a place kept at a moment (µs since 1970) is one of this log: not of one that was imported, or
    restored and went another way. An empty log is followed by later events; older ones came with an import.
    """
    if position > 0:
        return event_id is not None and event_id_at(log, position) == event_id
    first = log.read(0, 1)
    return not first or first[0].recorded_at_us >= at_us


def replace_file(path: Path, content: bytes) -> None:
    """The file holds the old content or the new one, whenever the process dies."""
    aside = path.with_suffix(".new")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
