"""What takes several runs, or a run once more: backfill, retry, reproduce."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response

from application.ports import Outcome
from application.queries import ActivityFilter, Paging, Queries
from application.views import RunView
from domain.run.commands import BackfillInstance, ReproduceRun, RetryRun
from domain.run.errors import RunUnknown
from domain.run.events import RunReproduced
from infrastructure.bootstrap import Service
from infrastructure.http.bodies import JsonBody, decoded, decoded_exactly
from infrastructure.http.reading import Read, found
from infrastructure.http.results import RunWritten
from infrastructure.http.schemas import answers, body, exact_body
from infrastructure.http.workflow_state import FINISHED, Workflow, workflow
from infrastructure.http.writing import Write

router = APIRouter(tags=["runs"])

Wait = Annotated[float, Query(ge=0, le=300, description="Seconds to wait for the end.")]
_decode = msgspec.json.Decoder(RunReproduced).decode


class Backfill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Predictions for the past: each decision session from `from` to `to`, both included."""

    first: str = msgspec.field(name="from")
    last: str = msgspec.field(name="to")
    model_version: int | None = None
    as_of: str | None = None
    refit: str | None = None
    override: bool = False
    """Let it pass a gate that blocks; needs a reason, and the role operator."""
    reason: str | None = None


class BackfillWritten(RunWritten, frozen=True, kw_only=True):
    """The runs that begin a backfill; `run` is the first of them, once the whole workflow has ended."""

    run_ids: tuple[str, ...]
    correlation_id: UUID
    """Of every run of the workflow, also of those that follow by themselves."""
    workflow: Workflow | None = None


class ReproductionWritten(RunWritten, frozen=True, kw_only=True):
    """The run that does a training again; `reproduction` is the verdict, once it is there."""

    reproduction: RunReproduced | None = None


class Reproductions(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts over a training run, oldest first."""

    items: tuple[RunReproduced, ...]


@router.post(
    "/instances/{name}/backfill",
    openapi_extra=exact_body(Backfill),
    **answers(BackfillWritten, 202, 200, 201, refusals=[404, 409, 412, 415, 422]),
)
async def backfill(request: Request, name: str, content: JsonBody, write: Write, wait: Wait = 0) -> Response:
    """Predict past decision sessions as one workflow; with `refit` by versions trained along the way."""
    asked = decoded_exactly(content, Backfill)
    command, _ = decoded(msgspec.json.encode(_fields(asked)), BackfillInstance, instance=name)
    outcome = await to_thread.run_sync(
        lambda: write.send(command, asked.reason, target=f"model_instance:{name}")
    )
    facts = await _begun(request, write, outcome, wait)
    status = 202 if facts["workflow"] is None else 201
    return write.answer(outcome, status=status, of=BackfillWritten, **facts)


def _fields(asked: Backfill) -> dict[str, Any]:
    names = ("first", "last", "model_version", "as_of", "refit")
    return {name: getattr(asked, name) for name in names} | ({"override": True} if asked.override else {})


async def _begun(request: Request, write: Write, outcome: Outcome, wait_s: float) -> dict[str, Any]:
    """The workflow's id, which is that of the first sending, and the workflow once it is over."""
    service: Service = request.app.state.service
    (last,) = service.log.read(outcome.position - 1, 1)

    def over() -> Workflow | None:
        known = workflow(service.queries, write.identity.tenant, last.correlation_id)
        return known if known is not None and known.state != "running" else None

    done = await request.app.state.feed.settled(over, wait_s) if wait_s else None
    run_ids = tuple(ref.partition(":")[2] for ref in outcome.refs if "_run:" in ref)
    return {
        "location": f"/api/v1/workflows/{last.correlation_id}",
        "run_id": run_ids[0],
        "run": None if done is None else done.runs[0],
        "run_ids": run_ids,
        "correlation_id": last.correlation_id,
        "workflow": done,
    }


@router.get("/workflows/{correlation_id}", **answers(Workflow, refusals=[404]))
def show_workflow(correlation_id: UUID, read: Read) -> Response:
    """The runs of one correlation id and how far they are."""
    known = workflow(read.queries, read.tenant, correlation_id, read.moment())
    return read.show(found(known, RunUnknown, f"run with the correlation id {correlation_id}"))


@router.post(
    "/runs/{run_id}/retry",
    openapi_extra=body(RetryRun, "run_id", required=False),
    **answers(RunWritten, 202, 200, 201, refusals=[404, 409, 412, 415, 422]),
)
async def retry_run(
    request: Request, run_id: str, content: JsonBody, write: Write, wait: Wait = 0
) -> Response:
    """Do a failed or cancelled run again, with everything as it was pinned."""
    command, reason = decoded(content, RetryRun, run_id=run_id)
    outcome = await to_thread.run_sync(lambda: write.send(command, reason))
    facts = await _ended(request, write, outcome, wait)
    return write.answer(outcome, of=RunWritten, location=f"/api/v1/runs/{facts['run_id']}", **facts)


@router.post(
    "/runs/{run_id}/reproduce",
    openapi_extra=body(ReproduceRun, "run_id", required=False),
    **answers(ReproductionWritten, 202, 200, 201, refusals=[404, 409, 412, 415, 422]),
)
async def reproduce_run(
    request: Request, run_id: str, content: JsonBody, write: Write, wait: Wait = 0
) -> Response:
    """Do a completed training again as recorded, compare file and metrics; nothing is registered."""
    command, reason = decoded(content, ReproduceRun, run_id=run_id)
    outcome = await to_thread.run_sync(lambda: write.send(command, reason))
    facts = await _ended(request, write, outcome, wait)
    told = _verdicts(request.app.state.service.queries, write.identity.tenant, run_id)
    verdict = next((one for one in told if one.by_run == facts["run_id"]), None)
    location = f"/api/v1/runs/{run_id}/reproductions"
    facts |= {"location": location, "reproduction": verdict if facts["run"] else None}
    return write.answer(outcome, of=ReproductionWritten, **facts)


@router.get("/runs/{run_id}/reproductions", **answers(Reproductions, refusals=[404]))
def show_reproductions(run_id: str, read: Read) -> Response:
    """What came of each reproduction of a training run."""
    at = read.moment()
    found(read.queries.run(read.tenant, run_id, at), RunUnknown, f"run {run_id}")
    return read.show(Reproductions(items=_verdicts(read.queries, read.tenant, run_id)))


def _verdicts(queries: Queries, tenant: str, run_id: str) -> tuple[RunReproduced, ...]:
    """The first 500: more than one for each day of a year."""
    filters = ActivityFilter(resource_id=run_id, action="training_run.reproduced", oldest_first=True)
    page = queries.activity(tenant, filters, Paging(limit=500))
    return tuple(_decode(one.payload) for one in page.items)


async def _ended(request: Request, write: Write, outcome: Outcome, wait_s: float) -> dict[str, Any]:
    """The new run's id, the run once it is over, and the status that says which."""
    run_id = outcome.refs[0].partition(":")[2]
    service: Service = request.app.state.service

    def over() -> RunView | None:
        view = service.queries.run(write.identity.tenant, run_id)
        return view if view is not None and view.state in FINISHED else None

    run = await request.app.state.feed.settled(over, wait_s) if wait_s else None
    return {"run_id": run_id, "run": run, "status": 202 if run is None else 201}
