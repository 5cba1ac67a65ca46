"""What follows a run in its workflow: a block's predictions, the next attempt, the judgement."""

from uuid import UUID

from application.policies.context import PolicyContext
from domain.model_instance import decider as instances
from domain.run import decider as runs
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
    asked = _asked(recorded, event.run_id, context)
    block = block_of(asked[0].trigger) if asked is not None and asked[0].refit else None
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
        "workflows", command, recorded, f"backfill: {block.first} to {block.last}", workflow=asked[1]
    )


def retry_lost(recorded: RecordedEvent, context: PolicyContext) -> None:
    """A backfill survives its service: what was running when it ended is done again, as it was pinned."""
    event = recorded.event
    if not isinstance(event, RunFailed) or event.code not in _LOST:
        return
    asked = _asked(recorded, event.run_id, context)
    if asked is None or not asked[0].trigger.startswith(BACKFILL):
        return
    if _attempts(recorded, asked[0], context) < _ATTEMPTS:
        command = RetryRun(run_id=event.run_id)
        context.send("workflows", command, recorded, f"backfill: {event.code}", workflow=asked[1])


def _attempts(recorded: RecordedEvent, run: RunSubmitted, context: PolicyContext) -> int:
    """How often this was tried, this run included."""
    attempts, former = 1, run.retry_of
    while former is not None and attempts < _ATTEMPTS:
        asked = _asked(recorded, former, context)
        attempts, former = attempts + 1, asked[0].retry_of if asked else None
    return attempts


def monitor_predictions(recorded: RecordedEvent, context: PolicyContext) -> None:
    """New predictions are judged where the instance's monitoring follows its own output; not the past's."""
    event = recorded.event
    if not isinstance(event, RunCompleted) or event.kind != "inference" or event.dataset_version is None:
        return
    asked = _asked(recorded, event.run_id, context)
    if asked is None or asked[0].model is None or asked[0].trigger.startswith(BACKFILL):
        return
    stream = instances.stream(event.instance)
    state = context.services.log.load(recorded.tenant, stream, instances.INITIAL, instances.evolve).state
    schedules = state.specification.schedules if state.specification and not state.archived else ()
    if any(
        one.kind == "monitoring" and one.enabled and one.after_dataset == state.output_dataset
        for one in schedules
    ):
        command = SubmitRun(
            instance=event.instance,
            kind="monitoring",
            model_version=asked[0].model.number,
            trigger="policy:workflows",
        )
        reason = f"after {state.output_dataset}@{event.dataset_version}"
        context.send("workflows", command, recorded, reason, workflow=asked[1])


def _asked(recorded: RecordedEvent, run_id: str, context: PolicyContext) -> tuple[RunSubmitted, UUID] | None:
    """What a run pinned, and the workflow that it was submitted in: a worker may end it in one of its own."""
    told = context.services.log.read_stream(recorded.tenant, runs.stream(run_id))
    if not told or not isinstance(told[0].event, RunSubmitted):
        return None
    return told[0].event, told[0].correlation_id
