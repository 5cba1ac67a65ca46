"""What a run pinned, and the workflow that it was submitted in."""

from dataclasses import dataclass
from uuid import UUID

from application.policies.context import PolicyContext
from domain.run import decider as runs
from domain.run.events import RunSubmitted
from domain.shared.activity import RecordedEvent


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A run's submission; a worker may end the run in a workflow of its own."""

    run: RunSubmitted
    workflow: UUID


def asked_for(run_id: str | None, recorded: RecordedEvent, context: PolicyContext) -> Asked | None:
    """The submission of a run of the event's tenant; None if there is none."""
    told = context.services.log.read_stream(recorded.tenant, runs.stream(run_id)) if run_id else ()
    if not told or not isinstance(told[0].event, RunSubmitted):
        return None
    return Asked(run=told[0].event, workflow=told[0].correlation_id)
