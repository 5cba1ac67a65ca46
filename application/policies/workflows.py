"""What follows a run of a backfill: a block's predictions, the next attempt."""

from application.policies.asked import asked_for
from application.policies.context import PolicyContext
from domain.run.commands import RetryRun, SubmitRun
from domain.run.events import RunCompleted, RunFailed, RunSubmitted
from domain.run.folds import BACKFILL, block_of
from domain.shared.activity import RecordedEvent

_LOST = ("run.worker_lost", "run.lease_expired", "run.never_started")
"""Failures that say nothing of the run itself: its service or worker ended."""
_ATTEMPTS = 4


def predict_block(recorded: RecordedEvent, context: PolicyContext) -> None:
    """The version that a backfill trained for a block predicts it."""
    event = recorded.event
    if not isinstance(event, RunCompleted) or event.model_version is None:
        return
    asked = asked_for(event.run_id, recorded, context)
    block = block_of(asked.run.trigger) if asked is not None and asked.run.refit else None
    if asked is None or block is None:
        return
    command = SubmitRun(
        instance=event.instance,
        kind="inference",
        first=block.first,
        last=block.last,
        model_version=event.model_version,
        refit=True,
        trigger=BACKFILL,
    )
    context.send(
        "workflows", command, recorded, f"backfill: {block.first} to {block.last}", workflow=asked.workflow
    )


def retry_lost(recorded: RecordedEvent, context: PolicyContext) -> None:
    """A backfill survives its service: what was running when it ended is done again, as it was pinned."""
    event = recorded.event
    if not isinstance(event, RunFailed) or event.code not in _LOST:
        return
    asked = asked_for(event.run_id, recorded, context)
    if asked is None or not asked.run.trigger.startswith(BACKFILL):
        return
    if _attempts(recorded, asked.run, context) < _ATTEMPTS:
        command = RetryRun(run_id=event.run_id)
        context.send("workflows", command, recorded, f"backfill: {event.code}", workflow=asked.workflow)


def _attempts(recorded: RecordedEvent, run: RunSubmitted, context: PolicyContext) -> int:
    """How often this was tried, this run included."""
    attempts, former = 1, run.retry_of
    while former is not None and attempts < _ATTEMPTS:
        asked = asked_for(former, recorded, context)
        attempts, former = attempts + 1, asked.run.retry_of if asked else None
    return attempts
