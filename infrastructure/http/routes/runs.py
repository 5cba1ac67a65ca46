"""Runs, seen from who wants them: submit, follow, compare, cancel."""

from typing import Annotated

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response

from application.queries import MetricFilter, RunFilter
from application.views import ComparisonView, GateReportView, MetricPointView, Page, RunView
from domain.run.commands import CancelRun, SubmitRun
from domain.run.errors import RunUnknown
from infrastructure.http.bodies import JsonBody, decoded
from infrastructure.http.errors import RequestParameterMalformed, RunLogMissing
from infrastructure.http.reading import Part, PlainRead, Read, Reader, found
from infrastructure.http.results import RunWritten, Written
from infrastructure.http.schemas import answers, body, files
from infrastructure.http.writing import Write
from infrastructure.run_progress import Progress

router = APIRouter(tags=["runs"])

Wait = Annotated[float, Query(ge=0, le=300, description="Seconds to wait for the run's end.")]
Names = Annotated[list[str], Query(alias="name", description="Only these series; may be repeated.")]
PointsMax = Annotated[int | None, Query(ge=4, le=100_000, description="Points of each series, at most.")]
_FINISHED = ("completed", "failed", "cancelled")
_COMPARED_MAX = 20


class MetricSeries(msgspec.Struct, frozen=True, kw_only=True):
    """Points by name, step and time of logging."""

    items: tuple[MetricPointView, ...]


class GateReports(msgspec.Struct, frozen=True, kw_only=True):
    """What the gates said, oldest first: each contract that was judged, what was observed and the limit."""

    items: tuple[GateReportView, ...]


@router.post(
    "/instances/{name}/runs",
    openapi_extra=body(SubmitRun, "instance"),
    **answers(RunWritten, 202, 200, 201, refusals=[404, 409, 412, 413, 415, 422]),
)
async def submit_run(
    request: Request, name: str, content: JsonBody, write: Write, wait: Wait = 0
) -> Response:
    """Ask for a run; what it depends on is pinned now. `wait` for its end."""
    command, reason = decoded(content, SubmitRun, instance=name)
    return await _submitted(request, write, command, reason, wait)


async def _submitted(
    request: Request, write: Write, command: SubmitRun, reason: str | None, wait_s: float
) -> Response:
    """202 while the run is not over, 201 once it is."""
    target = f"model_instance:{command.instance}"
    outcome = await to_thread.run_sync(lambda: write.send(command, reason, target=target))
    run_id = outcome.refs[0].partition(":")[2]
    service = request.app.state.service

    def ended() -> RunView | None:
        view = service.queries.run(write.identity.tenant, run_id)
        return view if view is not None and view.state in _FINISHED else None

    run = await request.app.state.feed.settled(ended, wait_s) if wait_s else None
    location = f"/api/v1/runs/{run_id}"
    status = 202 if run is None else 201
    return write.answer(outcome, status=status, location=location, of=RunWritten, run_id=run_id, run=run)


@router.get("/runs", **answers(Page[RunView]))
def list_runs(
    read: Read,
    part: Part,
    instance: str | None = None,
    kind: str | None = None,
    state: str | None = None,
    sort: str = "-submitted",
) -> Response:
    """Runs, newest first. Bounds on final metrics: `metric.rank_ic=gt:0.02`.

    `sort`: `submitted` or `metric.rank_ic`, with `-` for descending.
    """
    parameters = read.request.query_params.multi_items()
    bounds = [
        (name.removeprefix("metric."), bound) for name, bound in parameters if name.startswith("metric.")
    ]
    metrics = tuple(MetricFilter.parse(name, bound) for name, bound in bounds)
    filters = RunFilter(instance=instance, kind=kind, state=state, metrics=metrics, sort=sort)
    return read.page(read.queries.runs(read.tenant, filters, part, read.moment()))


@router.get("/runs/compare", **answers(ComparisonView))
def compare_runs(
    read: Read, ids: Annotated[str, Query(description="Run ids, separated by commas.")]
) -> Response:
    """Runs side by side: all final metrics; parameters, settings and inputs in which they differ."""
    wanted = tuple(ids.split(","))
    if len(wanted) > _COMPARED_MAX:
        raise RequestParameterMalformed(f"{len(wanted)} runs; at most {_COMPARED_MAX} are compared")
    return read.show(read.queries.compare_runs(read.tenant, wanted, read.moment()))


@router.get("/runs/{run_id}", **answers(RunView, refusals=[404]))
def show_run(run_id: str, read: Read) -> Response:
    """One run."""
    return read.item(_run(read, run_id), RunUnknown, f"run {run_id}")


@router.get("/runs/{run_id}/report", **answers(GateReports, refusals=[404]))
def show_report(run_id: str, read: Read) -> Response:
    """What the gates said of the run: before it was pending, and of its output."""
    at = read.moment()
    run = found(read.queries.run(read.tenant, run_id, at), RunUnknown, f"run {run_id}")
    return read.show(GateReports(items=read.queries.gate_reports(read.tenant, run.node, at)))


@router.get("/runs/{run_id}/metrics", **answers(MetricSeries, refusals=[404]))
def show_metrics(
    run_id: str,
    read: Read,
    name: Names = [],  # noqa: B006 - FastAPI copies it
    max_points: PointsMax = None,
) -> Response:
    """The metric series of a run. `max_points`: a longer series keeps its first and last point and, of equal
    buckets of the others, the least and the greatest: peaks stay.
    """
    at = read.moment()
    found(read.queries.run(read.tenant, run_id, at), RunUnknown, f"run {run_id}")
    items = read.queries.metric_series(read.tenant, run_id, tuple(name), at, max_points)
    return read.show(MetricSeries(items=items))


@router.get("/runs/{run_id}/progress", **answers(Progress, refusals=[404]))
def show_progress(run_id: str, read: PlainRead) -> Response:
    """How far a run is, as its worker said last; live only, nothing of it is kept."""
    run = found(_run(read, run_id), RunUnknown, f"run {run_id}")
    here = read.service.executor.progress(run_id)
    known: Progress | None = read.request.app.state.progress.of(run_id)
    if here is not None:
        known = Progress(fraction=here[0], message=here[1])
    return read.show(known or Progress(fraction=1.0 if run.state in _FINISHED else 0.0))


@router.get("/runs/{run_id}/logs", **files("text/plain", refusals=[404]))
def show_logs(run_id: str, read: PlainRead) -> Response:
    """What the run's process printed; a running one so far, where it runs on this machine."""
    run = found(_run(read, run_id), RunUnknown, f"run {run_id}")
    text = _log_of(read, run)
    return Response(found(text, RunLogMissing, f"log of run {run_id}"), 200, {}, "text/plain; charset=utf-8")


def _log_of(read: Reader, run: RunView) -> bytes | None:
    if run.log_sha256 is not None:
        return read.service.artifacts.get(run.log_sha256)
    path = read.service.executor.log_path(run.id)
    return path.read_bytes() if path is not None and path.exists() else None


@router.post(
    "/runs/{run_id}/cancel",
    openapi_extra=body(CancelRun, "run_id", required=False),
    **answers(Written, refusals=[404, 409, 412, 415, 422]),
)
def cancel_run(run_id: str, content: JsonBody, write: Write) -> Response:
    """End a pending or running run at once; final even if its process is still dying."""
    command, reason = decoded(content, CancelRun, run_id=run_id)
    return write.answer(write.send(command, reason), location=f"/api/v1/runs/{run_id}")


def _run(read: Reader, run_id: str) -> RunView | None:
    return read.queries.run(read.tenant, run_id, read.moment())
