"""One ASGI layer in front of everything: who may talk to us, correlation ids, and the last resort."""

from collections.abc import Iterable
from uuid import UUID, uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.shared.errors import RuleBroken
from infrastructure.http.entrance import Entrance
from infrastructure.http.problems import internal_error, problem_of, problem_response

SAFETY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
_POLICY_VIOLATION = 1008


class Guard:
    """Lets in whom the entrance lets in, gives each request a correlation id, makes any failure a problem.

    Routes, mounts and sockets lie behind it; only the server's own lifespan passes by. A kind of connection
    that it does not know goes nowhere.
    """

    def __init__(self, app: ASGIApp, entrance: Entrance) -> None:
        self._app = app
        self._entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await self._app(scope, receive, send)
            case "http":
                await self._request(scope, receive, send)
            case "websocket":
                await self._socket(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        correlation_id = _correlation_id(headers.get(b"x-correlation-id"))
        scope["correlation_id"] = correlation_id
        answer = _Answer(send, correlation_id)
        try:
            scope["identity"] = await self._entrance.enter(scope, headers)
            await self._app(scope, receive, answer)
        except RuleBroken as broken:
            await problem_response(problem_of(broken, correlation_id))(scope, receive, answer)
        except Exception as failure:
            if answer.begun:
                raise
            await internal_error(correlation_id, failure)(scope, receive, answer)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A socket that may not come in is closed before it opens: the server answers 403."""
        headers = _headers(scope)
        scope["correlation_id"] = _correlation_id(headers.get(b"x-correlation-id"))
        try:
            scope["identity"] = await self._entrance.enter(scope, headers)
        except RuleBroken as broken:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": broken.code})
            return
        await self._app(scope, receive, send)


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


def _headers(scope: Scope) -> dict[bytes, str]:
    return {name: value.decode("latin-1") for name, value in scope["headers"]}


def _correlation_id(text: str | None) -> UUID:
    try:
        return UUID(text) if text else uuid4()
    except ValueError:
        return uuid4()
