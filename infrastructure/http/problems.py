"""Errors become answers here, once: a rule's kind is a status, everything else is RFC 9457."""

import logging
from typing import Any
from uuid import UUID

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from domain.shared.errors import Kind, RuleBroken
from infrastructure.http.errors import (
    RequestMethodUnknown,
    RequestParameterMalformed,
    RequestRouteUnknown,
    ServiceInternalError,
)
from infrastructure.postgres.errors import DatabaseUnreachable

STATUS: dict[Kind, int] = {
    Kind.MALFORMED: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.STATE: 409,
    Kind.GONE: 410,
    Kind.STALE: 412,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED: 415,
    Kind.INVALID: 422,
    Kind.UNAVAILABLE: 503,
}
"""The one table from a rule's kind to a status."""

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
_logger = logging.getLogger(__name__)


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refusal or failure (RFC 9457). `code` is stable; `remedy` says what to do."""

    type: str
    """Where the code is explained: `/api/v1/problems/<code>`."""
    title: str
    status: int
    detail: str
    code: str
    remedy: str
    correlation_id: UUID
    facts: dict[str, Any] = {}
    """Values that a program may want beside the sentence."""
    report: dict[str, Any] | None = None
    """The gate's report, where a gate refused."""


def problem_of(broken: RuleBroken, correlation_id: UUID, status: int | None = None) -> Problem:
    """Describe a refusal."""
    facts = dict(broken.facts)
    report = facts.pop("report", None)
    return Problem(
        type=f"/api/v1/problems/{broken.code}",
        title=title_of(type(broken)),
        status=status or STATUS[broken.kind],
        detail=broken.detail,
        code=broken.code,
        remedy=broken.remedy,
        correlation_id=correlation_id,
        facts=facts,
        report=report,
    )


def title_of(rule: type[RuleBroken]) -> str:
    """The rule in one sentence."""
    return " ".join((rule.__doc__ or rule.code).split())


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The answer that carries a problem."""
    more = {"Retry-After": str(RETRY_AFTER_S)} if problem.status == STATUS[Kind.UNAVAILABLE] else {}
    if problem.status == STATUS[Kind.UNAUTHENTICATED]:
        more["WWW-Authenticate"] = 'Bearer realm="optaic-mlops"'
    return Response(
        msgspec.json.encode(problem, enc_hook=str),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={**more, **(headers or {})},
    )


def _is_of_a_database_away(failure: Exception) -> bool:
    """By name: the embedded mode does not load the driver."""
    origin = getattr(failure, "orig", None) or failure
    return any(
        each.__module__.startswith("psycopg") and each.__name__ in ("OperationalError", "InterfaceError")
        for each in type(origin).__mro__
    )


def internal_error(correlation_id: UUID, failure: Exception) -> Response:
    """The last resort; the traceback goes to the service's log, not to the client. A database that went away
    in the middle of a read is no failure of the service: the client asks again.
    """
    if _is_of_a_database_away(failure):
        _logger.warning("request %s met a database that is away: %s", correlation_id, failure)
        away = DatabaseUnreachable("the database did not answer; nothing is known to be written")
        return problem_response(problem_of(away, correlation_id))
    _logger.error("request %s failed", correlation_id, exc_info=failure)
    broken = ServiceInternalError("the service failed; nothing is known to be written")
    return problem_response(problem_of(broken, correlation_id, status=500))


def install(app: FastAPI) -> None:
    """Map rules, validation errors and unknown routes to problems."""
    app.add_exception_handler(RuleBroken, _rule_broken)
    app.add_exception_handler(RequestValidationError, _parameters_malformed)
    app.add_exception_handler(HTTPException, _http_exception)


async def _rule_broken(request: Request, broken: Exception) -> Response:
    assert isinstance(broken, RuleBroken)
    return problem_response(problem_of(broken, correlation_of(request)))


async def _parameters_malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = " ".join(str(part) for part in first["loc"])
    broken = RequestParameterMalformed(f"{where}: {first['msg']}", parameter=str(first["loc"][-1]))
    return problem_response(problem_of(broken, correlation_of(request)))


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    broken: RuleBroken
    if error.status_code == 405:  # noqa: PLR2004 - a status, named by the class below
        broken = RequestMethodUnknown(f"{request.method} is not a method of {path}")
    elif error.status_code == 404:  # noqa: PLR2004 - the same
        broken = RequestRouteUnknown(f"there is nothing at {path}")
    else:
        broken = RequestParameterMalformed(str(error.detail))
    problem = problem_of(broken, correlation_of(request), error.status_code)
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = ", ".join(_methods(request))
    return problem_response(problem, headers)


def _methods(request: Request) -> list[str]:
    """All methods of an address; the framework names only those of the first route."""
    routes = request.app.router.routes
    return [
        method
        for method in ("GET", "POST", "PATCH")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def correlation_of(request: Request) -> UUID:
    """The request's correlation id, set by the guard in front of all routes."""
    return request.scope["correlation_id"]
