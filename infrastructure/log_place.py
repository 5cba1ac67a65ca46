"""Whether a place that was kept outside the log is one in this log, or in another that stood here before."""

from application.ports import ActivityLog


def event_id_at(log: ActivityLog, position: int) -> str | None:
    """The event there, which tells one log from another; None beyond the head and for position 0."""
    found = log.read(position - 1, 1) if position > 0 else ()
    return str(found[0].event_id) if found else None


def is_of_log(log: ActivityLog, position: int, event_id: str | None, saved_at_us: int) -> bool:
    """Whether what was kept is about this log, not one that was imported, or restored and went another way.

    An empty log is followed by events recorded after it was seen; older ones came with an import.
    """
    if position > 0:
        return event_id is not None and event_id_at(log, position) == event_id
    first = log.read(0, 1)
    return not first or first[0].recorded_at_us >= saved_at_us
