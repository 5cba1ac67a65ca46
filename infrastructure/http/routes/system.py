"""The service itself: health, readiness, versions, projections, search and what errors mean."""

import platform
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response

from application.views import ProjectionStatus, SearchHitView
from domain.shared.errors import Kind, ProjectionBehind, RuleBroken
from infrastructure import verification
from infrastructure.http.bodies import JsonBody, decoded_exactly
from infrastructure.http.errors import ResourceUnknown
from infrastructure.http.problems import STATUS, title_of
from infrastructure.http.reading import PlainRead, Read, found, identity_of, json_response
from infrastructure.http.schemas import answers, exact_body, files

router = APIRouter(tags=["system"])

METRICS = "text/plain; version=0.0.4"
_READY_S = 1.0
"""How long views may take to be called ready: a busy log is always a moment ahead of them."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers. `service` tells services apart: the beginning of the SHA-256 of its token."""

    status: Literal["ok"]
    service: str


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether questions are answered with everything that was recorded."""

    status: Literal["ready", "catching up", "stopped"]
    head: int
    position: int
    """The position that all views have."""


class ServiceVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Which code answers, for which tenant."""

    service: str
    api: Literal["v1"]
    python: str
    tenant: str


class ProjectionList(msgspec.Struct, frozen=True, kw_only=True):
    """Where each projection stands."""

    items: tuple[ProjectionStatus, ...]


class RebuiltView(msgspec.Struct, frozen=True, kw_only=True):
    """One view folded afresh. `is_equal`: whether the one that had served held the same."""

    projection: str
    position: int
    events: int
    seconds: float
    sha256: str
    is_equal: bool


class RebuiltViews(msgspec.Struct, frozen=True, kw_only=True):
    """All views that were folded afresh; they serve now."""

    items: tuple[RebuiltView, ...]


class Rebuild(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which views to fold afresh; none named: all."""

    projections: tuple[str, ...] = ()


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked and what was wrong."""

    events: int
    views: int
    artifacts: int
    data_versions: int
    data_files: int
    problems: tuple[str, ...]


class SearchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    items: tuple[SearchHitView, ...]


class ProblemKind(msgspec.Struct, frozen=True, kw_only=True):
    """What a code means and what to do."""

    code: str
    kind: Kind
    status: int
    meaning: str
    remedy: str


@router.get("/health", **answers(Health))
async def show_health(request: Request) -> Response:
    """Whether the process answers."""
    return json_response(Health(status="ok", service=request.app.state.fingerprint))


@router.get("/ready", **answers(Readiness))
def show_readiness(read: PlainRead) -> Response:
    """200 when the views have all that was recorded by now; 503 while they catch up or have stopped."""
    head = read.service.log.head()
    with suppress(ProjectionBehind):
        read.queries.wait(head, min(_READY_S, read.service.settings.wait_s_max))
    statuses = read.queries.projections()
    position = min((one.position for one in statuses), default=0)
    stopped = any(one.status == "stopped" for one in statuses)
    status = "stopped" if stopped else "ready" if position >= head else "catching up"
    view = Readiness(status=status, head=head, position=position)
    return json_response(view, 200 if status == "ready" else 503)


@router.get("/version", **answers(ServiceVersion))
async def show_service_version(request: Request) -> Response:
    """Which code answers, for which tenant."""
    tenant = identity_of(request).tenant
    return json_response(
        ServiceVersion(
            service=version("optaic-mlops-service"), api="v1", python=platform.python_version(), tenant=tenant
        )
    )


@router.get("/system/projections", **answers(ProjectionList))
def show_projections(read: PlainRead) -> Response:
    """Where each projection stands."""
    return json_response(ProjectionList(items=read.queries.projections()))


@router.post(
    "/system/rebuild", openapi_extra=exact_body(Rebuild), **answers(RebuiltViews, refusals=[404, 409, 415])
)
def rebuild_views(read: PlainRead, content: JsonBody) -> Response:
    """Fold views afresh from the log beside the serving ones, and swap; operational, not an event."""
    reports = read.service.views.rebuild(decoded_exactly(content or b"{}", Rebuild).projections)
    items = tuple(
        RebuiltView(
            projection=one.projection,
            position=one.position,
            events=one.events,
            seconds=one.seconds,
            sha256=one.rebuilt.sha256,
            is_equal=one.is_equal,
        )
        for one in reports
    )
    return json_response(RebuiltViews(items=items))


@router.post("/system/verify", **answers(Verified))
def verify_all(read: PlainRead) -> Response:
    """Prove that log, views, artifacts and data files are what they should be; reads everything once. Of
    artifacts and data, the own tenant's.
    """
    service, identity = read.service, read.identity
    stores = service.artifacts, service.datasets
    own = None if identity.key_id is None else identity.tenant
    found = verification.verify_all(service.log, service.views, *stores, tenant=own)
    return json_response(msgspec.convert(found, Verified, from_attributes=True))


@router.get("/search", **answers(SearchAnswer))
def search(
    read: Read,
    q: Annotated[str, Query(min_length=1, max_length=200)],
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """Definitions, instances, versions, datasets and runs whose name or id contains `q`."""
    return read.show(SearchAnswer(items=read.queries.search(read.tenant, q, read.moment(), limit)))


@router.get("/problems/{code}", **answers(ProblemKind, refusals=[404]))
async def explain_problem(code: str) -> Response:
    """What a problem's code means and what to do."""
    rule = found(RuleBroken.catalogue.get(code), ResourceUnknown, f"code {code}")
    return json_response(
        ProblemKind(
            code=code, kind=rule.kind, status=STATUS[rule.kind], meaning=title_of(rule), remedy=rule.remedy
        )
    )


@router.get("/metrics", **files("text/plain"))
def show_service_metrics(read: PlainRead) -> Response:
    """A few figures in the Prometheus text format."""
    return Response(metrics_text(read), media_type=METRICS)


def metrics_text(read: PlainRead) -> bytes:
    """All metrics; what nobody else in this process sets, the log's head and the views' lag, is read now."""
    from infrastructure.observability import metrics

    metrics.EVENTS.set(read.service.log.head())
    metrics.LOG_HEAD.set(read.service.log.head())
    for one in read.queries.projections():
        metrics.PROJECTION_POSITION.labels(one.name, "all").set(one.position)
        metrics.PROJECTION_LAG_EVENTS.labels(one.name, "all").set(max(0, one.head - one.position))
        metrics.PROJECTION_STOPPED.labels(one.name).set(int(one.status == "stopped"))
    return metrics.exposition()
