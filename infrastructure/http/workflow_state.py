"""How far a workflow is: the runs of one correlation id, and whether more will follow from them."""

from collections.abc import Iterator, Sequence
from typing import Literal
from uuid import UUID

import msgspec

from application.queries import LIMIT_MAX, ActivityFilter, Paging, Queries
from application.views import ActivityView, RunView
from domain.guardrails.events import GuardrailEvaluated
from domain.run.folds import block_of
from domain.shared.times import LogMoment

_decode = msgspec.json.Decoder(GuardrailEvaluated).decode
FINISHED = ("completed", "failed", "cancelled")


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of one correlation id, in the order of their submission. `failed`: all are over, and one that
    was not retried did not complete, or one that was to follow was stopped by its gate.
    """

    correlation_id: UUID
    state: Literal["running", "completed", "failed"]
    counts: dict[str, int]
    """Runs by kind and state, such as `training completed`."""
    runs: tuple[RunView, ...]


def workflow(
    queries: Queries, tenant: str, correlation_id: UUID, at: LogMoment | None = None
) -> Workflow | None:
    """The workflow at a moment of the log; None if no run has this correlation id."""
    told = list(_events(queries, tenant, correlation_id, at))
    submitted = [one.resource_id for one in told if one.action.endswith("_run.submitted")]
    stopped = sum(_is_stopped(one) for one in told)
    found = [queries.run(tenant, run_id, at) for run_id in submitted]
    runs = tuple(run for run in found if run is not None)
    if not runs:
        return None
    counts: dict[str, int] = {}
    for run in runs:
        key = f"{run.kind} {run.state}"
        counts[key] = counts.get(key, 0) + 1
    return Workflow(correlation_id=correlation_id, state=state_of(runs, stopped), counts=counts, runs=runs)


def state_of(runs: Sequence[RunView], stopped: int) -> Literal["running", "completed", "failed"]:
    """Whether all is over, and well; `stopped`: submissions that a gate has blocked."""
    awaited = _predictions_awaited(runs)
    if any(run.state not in FINISHED for run in runs) or awaited > stopped:
        return "running"
    retried = {run.retry_of for run in runs}
    lasting = [run for run in runs if run.id not in retried]
    return "completed" if not awaited and all(run.state == "completed" for run in lasting) else "failed"


def _predictions_awaited(runs: Sequence[RunView]) -> int:
    """A policy submits the inference of each block that a backfill trained for."""
    trained = [run for run in runs if run.refit and run.state == "completed" and block_of(run.trigger)]
    predicted = {run.model.number for run in runs if run.kind == "inference" and run.model is not None}
    return sum(run.model_version not in predicted for run in trained)


def _is_stopped(one: ActivityView) -> bool:
    if one.action != GuardrailEvaluated.ACTIONS[0]:
        return False
    report = _decode(one.payload).report
    return report.gate == "run_submit" and report.enforced_as == "blocked"


def _events(
    queries: Queries, tenant: str, correlation_id: UUID, at: LogMoment | None
) -> Iterator[ActivityView]:
    filters = ActivityFilter(correlation_id=correlation_id, oldest_first=True)
    cursor = None
    while True:
        page = queries.activity(tenant, filters, Paging(limit=LIMIT_MAX, cursor=cursor), at)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return
