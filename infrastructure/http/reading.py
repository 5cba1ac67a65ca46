"""What a reading route works with: the services, the log's moment, and answers with their headers."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import Depends, Query, Request, Response

from application.queries import Paging, Queries
from application.views import Page
from domain.shared.errors import ProjectionBehind, RuleBroken
from domain.shared.times import LogMoment
from infrastructure.access.identity import Identity
from infrastructure.bootstrap import Service
from infrastructure.http.moments import log_moment, wait_for

V = TypeVar("V")
_FRESH_S = 0.25

AsOf = Annotated[
    str | None,
    Query(
        max_length=64,
        description="The log's clock: a position, or an RFC 3339 time (the last position by then).",
        examples=["71", "2026-03-14T17:00:00Z"],
    ),
]
After = Annotated[
    int | None,
    Query(ge=0, le=2**53, description="Wait until the views have this position (read your own writes)."),
]
Limit = Annotated[int, Query(ge=1, le=500, description="Items a page.")]
Cursor = Annotated[str | None, Query(max_length=4096, description="`next_cursor` of the page before.")]


@dataclass(frozen=True, slots=True)
class Reader:
    """One request that reads."""

    request: Request
    service: Service
    as_of: str | None = None
    after: int | None = None

    @property
    def identity(self) -> Identity:
        """Who asks."""
        return identity_of(self.request)

    @property
    def tenant(self) -> str:
        """Whose data is read."""
        return self.identity.tenant

    @property
    def queries(self) -> Queries:
        """The read side."""
        return self.service.queries

    def moment(self) -> LogMoment | None:
        """The log's moment that was asked for; None is now. Waits for the views; blocks.

        Who names no position waits a moment for what was recorded before the request came: one command line
        sees what the one before it did.

        Raises AsOfMalformed, AsOfInFuture, AsOfBeyondLog, ProjectionBehind.
        """
        service, wait_s = self.service, self.service.settings.wait_s_max
        if self.after is not None:
            wait_for(self.after, service.log, service.queries, wait_s, self.tenant)
        elif self.as_of is None:
            with suppress(ProjectionBehind):
                service.queries.wait(service.log.head(), _FRESH_S, self.tenant)
        return log_moment(self.as_of, service.log, service.queries, wait_s, self.tenant)

    def item(self, view: object, unknown: type[RuleBroken], name: str) -> Response:
        """One view with its ETag. Raises `unknown` if there is none."""
        return self.show(found(view, unknown, name))

    def show(self, view: Any) -> Response:
        """Any view; ETag is the stream's version where it has one."""
        headers = {"X-Log-Position": str(getattr(view, "position", self.service.log.head()))}
        version = getattr(view, "stream_version", None)
        if version is not None:
            headers["ETag"] = f'"{version}"'
        return json_response(view, headers=headers)

    def page(self, page: Page[Any]) -> Response:
        """One page of a list, with a link to the next."""
        headers = {"X-Log-Position": str(page.position)}
        if page.next_cursor is not None:
            others = [
                (k, v) for k, v in self.request.query_params.multi_items() if k not in ("cursor", "after")
            ]
            query = urlencode([*others, ("cursor", page.next_cursor)])
            headers["Link"] = f'<{self.request.url.path}?{query}>; rel="next"'
        return json_response(page, headers=headers)


def identity_of(request: Request) -> Identity:
    """Who sends a request, as the guard in front of all routes knows it. KeyError: the route is public."""
    identity: Identity | None = request.scope["identity"]
    if identity is None:
        raise KeyError("a public route asked for an identity")
    return identity


def found(view: V | None, unknown: type[RuleBroken], name: str) -> V:
    """The view; raises `unknown` if there is none."""
    if view is None:
        raise unknown(f"there is no {name} at that moment")
    return view


def json_response(view: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A view as JSON."""
    return Response(msgspec.json.encode(view), status, headers, "application/json")


async def reader(request: Request, as_of: AsOf = None, after: After = None) -> Reader:
    """A request on the log's clock."""
    return Reader(request, request.app.state.service, as_of, after)


async def plain_reader(request: Request, after: After = None) -> Reader:
    """A request that reads without the log's clock."""
    return Reader(request, request.app.state.service, None, after)


async def paging(limit: Limit = 50, cursor: Cursor = None) -> Paging:
    """Which part of a list."""
    return Paging(limit=limit, cursor=cursor)


Read = Annotated[Reader, Depends(reader)]
PlainRead = Annotated[Reader, Depends(plain_reader)]
Part = Annotated[Paging, Depends(paging)]
