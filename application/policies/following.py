"""Runs that follow a new version of a dataset: how a combining model follows its signals."""

from datetime import datetime

from application.policies.asked import asked_for
from application.policies.context import PolicyContext
from application.schedules.sending import Slot, SlotSender
from application.schedules.standing import standing
from domain.dataset.events import ContentFacts, DatasetVersionVerified, DatasetVersionWritten
from domain.model_instance import decider as instances
from domain.run.folds import BACKFILL
from domain.shared.activity import RecordedEvent
from domain.shared.times import from_micros


def follow_version(recorded: RecordedEvent, context: PolicyContext) -> None:
    """Submit the runs of schedules that stood when the version was recorded and still stand.

    Nothing follows what a backfill wrote: nothing is due because the past is told again.
    """
    event = recorded.event
    if not isinstance(event, DatasetVersionWritten | DatasetVersionVerified):
        return
    writer = asked_for(event.run_id, recorded, context) if isinstance(event, DatasetVersionWritten) else None
    if writer is not None and writer.run.trigger.startswith(BACKFILL):
        return
    at = from_micros(recorded.recorded_at_us)
    slot = Slot(
        name=f"{event.dataset}@{event.number}",
        at=at,
        as_of=_known_at(event.facts, at),
        correlation_id=writer.workflow if writer else recorded.correlation_id,
        causation_id=recorded.event_id,
    )
    lookups, sender = context.services.lookups, SlotSender(context.bus)
    for name in lookups.instances_following(recorded.tenant, event.dataset, recorded.position):
        stream = context.services.log.read_stream(recorded.tenant, instances.stream(name))
        for one in standing(stream):
            is_meant = one.schedule.after_dataset == event.dataset and one.position <= recorded.position
            if is_meant and not sender.is_settled(one, slot):
                sender.submit(one, slot)


def _known_at(facts: ContentFacts, recorded_at: datetime) -> datetime:
    """The version's knowledge high-water: the run knows all of the version and nothing that came later, so
    one that follows late, after down time, equals the one that would have followed at once.
    """
    return min(facts.knowledge_last, recorded_at)
