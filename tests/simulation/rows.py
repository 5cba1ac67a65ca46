"""Stored rows of random logs, made once: what the simulated writer appends one after the other."""

from functools import cache
from random import Random

from domain.shared.activity import RecordedEvent
from infrastructure.activity_log.record import Row
from tests.projections.support.generated import Generator

TENANTS = tuple(f"desk-{number}" for number in range(7))
LONGEST = 120
VARIETY = 8


def row_of(recorded: RecordedEvent, ordinal: int = 0) -> Row:
    """A recorded event as the log stores it."""
    return (
        recorded.position,
        str(recorded.event_id),
        recorded.tenant,
        str(recorded.stream_id),
        recorded.stream_version,
        recorded.resource_type,
        recorded.resource_id,
        f"{recorded.action}:{recorded.schema_version}",
        recorded.actor.principal,
        recorded.actor.method,
        recorded.actor.on_behalf_of,
        recorded.reason,
        str(recorded.command_id),
        ordinal,
        b"\0" * 32,
        str(recorded.correlation_id),
        None if recorded.causation_id is None else str(recorded.causation_id),
        recorded.recorded_at_us,
        recorded.payload,
    )


@cache
def stored_rows(variety: int) -> tuple[Row, ...]:
    """The rows of one of a few random logs of several tenants."""
    log = Generator(Random(variety), tenants=TENANTS).run(LONGEST)
    return tuple(row_of(recorded) for recorded in log.events)
