"""The activity log: list, item, stream, and a resource's whole history."""

import time
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import format_sse_event
from starlette.responses import StreamingResponse

from application.queries import ActivityFilter, Paging
from application.views import ActivityView, HistoryView, Page
from infrastructure.http.errors import EventUnknown, RequestParameterMalformed, ResourceUnknown
from infrastructure.http.moments import past_time
from infrastructure.http.reading import Part, PlainRead, Read, found, identity_of
from infrastructure.http.schemas import answers, files

router = APIRouter(tags=["activity"])

KEEP_ALIVE_S = 15.0
_PAGE = 500
Beyond = Annotated[int, Query(ge=0, le=2**53, description="Only events after this position.")]
Moment = Annotated[str | None, Query(max_length=64, description="An RFC 3339 time with offset, inclusive.")]


async def filters(
    resource_type: str | None = None,
    resource_id: str | None = None,
    actor: str | None = None,
    action: str | None = None,
    correlation_id: UUID | None = None,
) -> ActivityFilter:
    """Which events."""
    return ActivityFilter(
        resource_type=resource_type,
        resource_id=resource_id,
        actor=actor,
        action=action,
        correlation_id=correlation_id,
    )


Filters = Annotated[ActivityFilter, Depends(filters)]


@router.get("/activity", **answers(Page[ActivityView]))
def list_activity(
    read: Read,
    part: Part,
    chosen: Filters,
    since: Moment = None,
    until: Moment = None,
    beyond: Beyond = 0,
    oldest_first: bool = False,
) -> Response:
    """Events, newest first unless asked otherwise."""
    bounded = msgspec.structs.replace(
        chosen,
        since=past_time(since) if since else None,
        until=past_time(until) if until else None,
        after=beyond,
        oldest_first=oldest_first,
    )
    return read.page(read.queries.activity(read.tenant, bounded, part, read.moment()))


@router.get("/activity/stream", **files("text/event-stream"))
async def stream_activity(
    request: Request,
    chosen: Filters,
    beyond: Annotated[int | None, Query(ge=0, le=2**53, description="Start after it; default: now.")] = None,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> Response:
    """Events as they are recorded and seen by all views (server-sent events); the id is the position. Ends
    when its key does.
    """
    if last_event_id is not None:
        if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 17):  # noqa: PLR2004
            raise RequestParameterMalformed(f"Last-Event-ID {last_event_id!r} is not a position")
        beyond = int(last_event_id)
    start = request.app.state.service.log.head() if beyond is None else beyond
    return StreamingResponse(_events(request, chosen, start), media_type="text/event-stream")


async def _events(request: Request, chosen: ActivityFilter, position: int) -> AsyncIterator[bytes]:
    feed = request.app.state.feed
    yield format_sse_event(comment="connected")
    said = time.monotonic()
    while not feed.closed:
        seen = await feed.beyond(position, KEEP_ALIVE_S)
        if not await request.app.state.entrance.holds(identity_of(request)):
            return
        for event in await to_thread.run_sync(_after, request, chosen, position) if seen > position else ():
            yield format_sse_event(id=str(event.position), data_str=msgspec.json.encode(event).decode())
            position, said = event.position, time.monotonic()
        position = max(position, seen)
        if time.monotonic() - said >= KEEP_ALIVE_S:
            yield format_sse_event(comment="still here")
            said = time.monotonic()


def _after(request: Request, chosen: ActivityFilter, position: int) -> tuple[ActivityView, ...]:
    service = request.app.state.service
    wanted = msgspec.structs.replace(chosen, after=position, oldest_first=True)
    return service.queries.activity(identity_of(request).tenant, wanted, Paging(limit=_PAGE)).items


@router.get("/activity/{position}", **answers(ActivityView, refusals=[404]))
def show_event(position: int, read: PlainRead) -> Response:
    """The event at a position."""
    read.moment()
    view = read.queries.event(read.tenant, position) if 0 < position < 2**53 else None
    return read.show(found(view, EventUnknown, f"event at position {position}"))


@router.get("/history/{ref}", **answers(HistoryView, refusals=[404]))
def show_history(ref: str, read: Read, part: Part) -> Response:
    """The whole history of a resource and of what belongs to it, in words and events, oldest first."""
    view = read.queries.history(read.tenant, ref, part, read.moment())
    return read.show(found(view, ResourceUnknown, f"resource {ref}"))
