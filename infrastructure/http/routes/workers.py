"""The worker's side of a run that is done elsewhere: claim, then speak with the run's token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from domain.run import decider
from domain.run.commands import CompleteRun, FailRun, LogMetrics, StartRun
from infrastructure.http.bodies import JsonBody, decoded, decoded_exactly
from infrastructure.http.reading import identity_of, json_response
from infrastructure.http.results import GateWritten, RunClaimed, Written
from infrastructure.http.run_tokens import sent_token
from infrastructure.http.schemas import answers, body, exact_body
from infrastructure.http.writing import Write
from infrastructure.leases import LEASE
from infrastructure.run_progress import Progress

router = APIRouter(prefix="/runs/{run_id}", tags=["workers"])


async def run_of_token(
    request: Request,
    run_id: str,
    x_run_token: Annotated[str | None, Header(description="The run's token.")] = None,
    authorization: Annotated[
        str | None, Header(description="`Bearer` and the API key; without keys, the run's token may be here.")
    ] = None,
) -> str:
    """The run whose token was sent. Raises RunTokenInvalid."""
    tenant = tenant_of_token(request)
    token = sent_token(x_run_token, authorization if tenant is None else None)
    request.app.state.run_tokens.check(run_id, token, tenant)
    return run_id


def tenant_of_token(request: Request) -> str | None:
    """The tenant that a run's token is bound to; None in the embedded service, which has one."""
    identity = identity_of(request)
    return None if identity.key_id is None else identity.tenant


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
    token = state.run_tokens.make(run_id, tenant_of_token(request))
    lease_s = LEASE.total_seconds()
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
    run = service.log.load(
        identity_of(request).tenant, decider.stream(run_id), decider.INITIAL, decider.evolve
    )
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
