"""One ASGI layer in front of everything: who may talk to us, correlation ids, and the last resort."""

from collections.abc import Iterable
from uuid import UUID, uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.shared.errors import RuleBroken
from infrastructure.http.errors import HostNotAllowed, OriginNotAllowed
from infrastructure.http.problems import internal_error, problem_of, problem_response

NAMES = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine that a `Host` header may carry."""
READING = ("GET", "HEAD", "OPTIONS")
SAFETY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class Guard:
    """Refuses foreign hosts and origins, gives each request a correlation id, makes any failure a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        correlation_id = _correlation_id(headers.get(b"x-correlation-id"))
        scope["correlation_id"] = correlation_id
        answer = _Answer(send, correlation_id)
        try:
            _check_host(headers.get(b"host", ""), scope.get("server"))
            _check_origin(scope["method"], headers)
            await self._app(scope, receive, answer)
        except RuleBroken as broken:
            await problem_response(problem_of(broken, correlation_id))(scope, receive, answer)
        except Exception as failure:
            if answer.begun:
                raise
            await internal_error(correlation_id, failure)(scope, receive, answer)


class _Answer:
    """Passes messages on and adds the headers that every answer has."""

    def __init__(self, send: Send, correlation_id: UUID) -> None:
        self._send = send
        self._headers = (*SAFETY_HEADERS, (b"x-correlation-id", str(correlation_id).encode()))
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            message["headers"] = _with(message.get("headers", ()), self._headers)
        await self._send(message)


def _with(
    headers: Iterable[tuple[bytes, bytes]], more: tuple[tuple[bytes, bytes], ...]
) -> list[tuple[bytes, bytes]]:
    present = list(headers)
    names = {name.lower() for name, _ in present}
    return [*present, *(pair for pair in more if pair[0] not in names)]


def _correlation_id(text: str | None) -> UUID:
    try:
        return UUID(text) if text else uuid4()
    except ValueError:
        return uuid4()


def _check_host(host: str, server: tuple[str, int | None] | None) -> None:
    name, port = _split(host)
    bound = server[1] if server else None
    if name not in NAMES or (bound is not None and port != str(bound)):
        raise HostNotAllowed(f"the host {host!r} is not this service", host=host)


def _split(host: str) -> tuple[str, str]:
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        return host, "80"
    return name, port


def _check_origin(method: str, headers: dict[bytes, str]) -> None:
    """Browsers name the page that started a write; ours is the only one that may (CSRF)."""
    if method in READING:
        return
    origin = headers.get(b"origin")
    if origin is not None and origin != f"http://{headers.get(b'host')}":
        raise OriginNotAllowed(f"the origin {origin!r} may not write here", origin=origin)
    if headers.get(b"sec-fetch-site", "none") not in ("none", "same-origin"):
        raise OriginNotAllowed("a page of another site may not write here")
