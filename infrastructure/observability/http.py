"""One ASGI layer around the guard: each request is counted, measured, traced and named in log entries."""

from time import perf_counter
from uuid import UUID, uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infrastructure.observability import tracing
from infrastructure.observability.logs import bound
from infrastructure.observability.metrics import HTTP_REQUESTS, HTTP_SECONDS, SSE_CLIENTS

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "(none)"
_CORRELATION = b"x-correlation-id"
_STREAM = b"text/event-stream"


class ObservedHttp:
    """Outermost: what the guard refuses is counted too. Requests without a correlation id get theirs here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id = _correlated(scope)
        method = scope["method"] if scope["method"] in METHODS else "other"
        answer = _Answer(send)
        began = perf_counter()
        try:
            with bound(correlation_id=correlation_id), tracing.workflow(correlation_id):
                await self._traced(scope, receive, answer, method)
        finally:
            route = _route(scope)
            HTTP_REQUESTS.labels(route, method, f"{answer.status // 100}xx").inc()
            if answer.is_stream:
                SSE_CLIENTS.dec()
            else:
                HTTP_SECONDS.labels(route, method).observe(perf_counter() - began)

    async def _traced(self, scope: Scope, receive: Receive, answer: "_Answer", method: str) -> None:
        if not tracing.is_on():
            await self._app(scope, receive, answer)
            return
        with tracing.span("http.request", kind="server", carrier=scope["headers"]) as current:
            try:
                await self._app(scope, receive, answer)
            finally:
                route = _route(scope)
                current.update_name(f"{method} {route}")
                current.set_attribute("http.request.method", method)
                current.set_attribute("http.route", route)
                current.set_attribute("http.response.status_code", answer.status)


class _Answer:
    """Passes messages on and remembers what was answered."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500
        self.is_stream = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if any(name == b"content-type" and _STREAM in value for name, value in message["headers"]):
                self.is_stream = True
                SSE_CLIENTS.inc()
        await self._send(message)


def _correlated(scope: Scope) -> UUID:
    """The request's correlation id; one that is missing or malformed is replaced for all that follows."""
    text = next((value for name, value in scope["headers"] if name == _CORRELATION), b"")
    try:
        return UUID(text.decode("ascii"))
    except ValueError:
        fresh = uuid4()
    others = [pair for pair in scope["headers"] if pair[0] != _CORRELATION]
    scope["headers"] = [*others, (_CORRELATION, str(fresh).encode())]
    return fresh


def _route(scope: Scope) -> str:
    """The template, never the path: paths hold ids."""
    return getattr(scope.get("route"), "path", None) or NO_ROUTE
