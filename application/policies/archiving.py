"""An archived instance starts nothing more: what was pending, or slipped in beside the archiving, is
cancelled.
"""

from application.policies.context import PolicyContext
from domain.model_instance import decider as instances
from domain.model_instance.events import InstanceArchived
from domain.run.again import is_reserved
from domain.run.commands import CancelRun
from domain.run.events import RunSubmitted
from domain.shared.activity import RecordedEvent

_REASON = "its instance was archived"


def cancel_pending_runs(recorded: RecordedEvent, context: PolicyContext) -> None:
    """Cancel the pending runs that were submitted between the archiving's decision and its append."""
    if not isinstance(recorded.event, InstanceArchived):
        return
    lookups = context.services.lookups
    for run_id in lookups.pending_runs(recorded.tenant, recorded.event.name, recorded.position):
        context.send("archiving", CancelRun(run_id=run_id), recorded, _REASON, of=run_id)


def cancel_late_submission(recorded: RecordedEvent, context: PolicyContext) -> None:
    """Cancel a run whose submission was recorded after its instance's archiving."""
    if not isinstance(recorded.event, RunSubmitted):
        return
    stream = instances.stream(recorded.event.instance)
    loaded = context.services.log.load(recorded.tenant, stream, instances.INITIAL, instances.evolve)
    if loaded.state.archived and not is_reserved(recorded.event.trigger):
        context.send("archiving", CancelRun(run_id=recorded.event.run_id), recorded, _REASON)
