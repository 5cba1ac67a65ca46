"""Old forms of events are stored for ever and upcast on read: a pure chain, one step a schema version."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

Payload: TypeAlias = dict[str, Any]
"""A payload as plain JSON values."""


class Step(NamedTuple):
    """From one stored topic to the next newer one."""

    to: str
    change: Callable[[Payload], Payload]
    """Pure: a new payload from an old one; it may not look at anything else."""


Upcasts: TypeAlias = Mapping[str, Step]

UPCASTS: Upcasts = {}
"""Stored topic → step. No event has changed its form yet."""


def upcast(
    topic: str, payload: Callable[[], Payload], upcasts: Upcasts = UPCASTS
) -> tuple[str, Payload] | None:
    """Follow the chain from a stored topic to its end; None where no step starts at the topic."""
    if topic not in upcasts:
        return None
    present = payload()
    while topic in upcasts:
        topic, change = upcasts[topic]
        present = change(present)
    return topic, present
