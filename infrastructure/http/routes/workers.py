"""The worker's side of a run that is done elsewhere: claim, then speak with the run's token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from domain.run import decider
from domain.run.commands import CompleteRun, FailRun, LogMetrics, StartRun
from infrastructure.http.bodies import JsonBody, decoded, decoded_exactly
from infrastructure.http.progress import Progress
from infrastructure.http.reading import json_response
from infrastructure.http.results import GateWritten, RunClaimed, Written
from infrastructure.http.schemas import answers, body, exact_body
from infrastructure.http.writing import Write
from infrastructure.leases import LEASE

router = APIRouter(prefix="/runs/{run_id}", tags=["workers"])


async def run_of_token(
    request: Request,
    run_id: str,
    authorization: Annotated[str | None, Header(description="`Bearer` and the run's token.")] = None,
) -> str:
    """The run whose token was sent. Raises RunTokenInvalid."""
    request.app.state.run_tokens.check(run_id, authorization)
    return run_id


OwnRun = Annotated[str, Depends(run_of_token)]


@router.post(
    "/start",
    openapi_extra=body(StartRun, "run_id"),
    **answers(RunClaimed, refusals=[404, 409, 415, 422]),
)
def start_run(request: Request, run_id: str, content: JsonBody, write: Write) -> Response:
    """Claim a pending run; one worker wins. The token that comes back goes with everything that follows."""
    command, reason = decoded(content, StartRun, run_id=run_id)
    outcome = write.send(command, reason)
    state = request.app.state
    state.service.leases.renew(run_id)
    token, lease_s = state.run_tokens.make(run_id), LEASE.total_seconds()
    return write.answer(outcome, of=RunClaimed, run_id=run_id, token=token, lease_s=lease_s)


@router.post(
    "/progress",
    openapi_extra=exact_body(Progress),
    **answers(Progress, refusals=[404, 415]),
)
def report_progress(request: Request, run_id: OwnRun, content: JsonBody) -> Response:
    """Say how far the run is, and renew its lease; not an event."""
    progress = decoded_exactly(content, Progress)
    service = request.app.state.service
    # from the stream: a view may not have the start yet
    run = service.log.load(service.settings.tenant, decider.stream(run_id), decider.INITIAL, decider.evolve)
    decider.existing(run.state, run_id)
    if run.state.status == "running":
        service.leases.renew(run_id)
        request.app.state.progress.say(run_id, progress)
    return json_response(progress)


@router.post(
    "/metrics",
    openapi_extra=body(LogMetrics, "run_id"),
    **answers(Written, 201, 200, refusals=[404, 409, 413, 415, 422]),
)
def log_metrics(request: Request, run_id: OwnRun, content: JsonBody, write: Write) -> Response:
    """Record up to 1,000 metric points."""
    command, reason = decoded(content, LogMetrics, run_id=run_id)
    outcome = write.send(command, reason)
    request.app.state.service.leases.renew(run_id)
    return write.answer(outcome, status=201, location=f"/api/v1/runs/{run_id}/metrics")


@router.post(
    "/complete",
    openapi_extra=body(CompleteRun, "run_id"),
    **answers(GateWritten, refusals=[404, 409, 413, 415, 422]),
)
def complete_run(request: Request, run_id: OwnRun, content: JsonBody, write: Write) -> Response:
    """Hand over the result: gate, outputs and end are one append."""
    command, reason = decoded(content, CompleteRun, run_id=run_id)
    outcome = write.send(command, reason)
    request.app.state.progress.forget(run_id)
    return write.answer(outcome, location=f"/api/v1/runs/{run_id}", of=GateWritten)


@router.post(
    "/fail",
    openapi_extra=body(FailRun, "run_id"),
    **answers(Written, refusals=[404, 409, 413, 415, 422]),
)
def fail_run(request: Request, run_id: OwnRun, content: JsonBody, write: Write) -> Response:
    """End the run without a result."""
    command, reason = decoded(content, FailRun, run_id=run_id)
    outcome = write.send(command, reason)
    request.app.state.progress.forget(run_id)
    return write.answer(outcome, location=f"/api/v1/runs/{run_id}")
