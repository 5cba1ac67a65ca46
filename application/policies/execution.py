"""Work for the executor: it looks for itself, this only tells it when."""

from application.policies.context import PolicyContext
from domain.run.events import RunCancelled
from domain.shared.activity import RecordedEvent


def wake_executor(_recorded: RecordedEvent, context: PolicyContext) -> None:
    """A definition waits for its evaluation, or a run for its start."""
    context.executor.wake()


def kill_process(recorded: RecordedEvent, context: PolicyContext) -> None:
    """A cancelled run's process group goes, if it is ours; the cancellation is final already."""
    if isinstance(recorded.event, RunCancelled):
        context.executor.kill(recorded.event.run_id)
