"""One object with the whole API, synchronous and asynchronous."""

import asyncio
import os
import time
from collections.abc import Awaitable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from optaic.mlops.api import Api, Call, Json
from optaic.mlops.service import API_KEY_SETTING, service_url
from optaic.mlops.workflow import follow, headers_of_write

TIMEOUT_S = 330.0
"""Longer than the longest `wait` that the service offers."""
ATTEMPTS = 4
_PAUSE_S = 0.2
_BUSY = 503


class Refused(Exception):
    """The service refused: `code` is stable (docs/errors.md), `remedy` says what to do instead."""

    def __init__(self, status: int, problem: Json) -> None:
        self.status = status
        self.code = str(problem.get("code", f"http.{status}"))
        self.detail = str(problem.get("detail", ""))
        self.remedy = str(problem.get("remedy", ""))
        self.report = problem.get("report")
        self.facts: Json = problem.get("facts") or {}
        self.correlation_id = problem.get("correlation_id")
        super().__init__(f"{self.code}: {self.detail}" + (f" {self.remedy}" if self.remedy else ""))


class Client(Api[Json, bytes]):
    """The API; each method returns what the service answered. Raises Refused, ServiceNotFound.

    `api_key`: default `OPTAIC_MLOPS_API_KEY`; every service but the embedded one asks for one.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        data: Path | None = None,
        api_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout: float = TIMEOUT_S,
    ) -> None:
        self.url = (url or service_url(data)).rstrip("/")
        self._written = 0
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers=_key(api_key),
            timeout=timeout,
            transport=transport,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _json(self, call: Call) -> Json:
        return _decoded(call, self._answer(call))

    def _bytes(self, call: Call) -> bytes:
        return self._answer(call).content

    def _answer(self, call: Call) -> httpx.Response:
        """Send; a busy service and a lost answer are tried again (writes carry their key)."""
        request = self._http.build_request(call.method, call.path, **_parts(call, self._written))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._http.send(request)
                if answer.status_code != _BUSY or attempt == ATTEMPTS:
                    self._written = max(self._written, _position(answer))
                    return _checked(answer)
            except httpx.TransportError:
                if attempt == ATTEMPTS:
                    raise
            time.sleep(_PAUSE_S * 2**attempt)
        raise AssertionError("the last attempt returns or raises")


class AsyncClient(Api[Awaitable[Json], Awaitable[bytes]]):
    """The API for asyncio; `await client.get_run(…)`. Raises Refused, ServiceNotFound.

    `api_key` as of `Client`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        data: Path | None = None,
        api_key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: float = TIMEOUT_S,
    ) -> None:
        self.url = (url or service_url(data)).rstrip("/")
        self._written = 0
        self._http = httpx.AsyncClient(
            base_url=f"{self.url}/api/v1",
            headers=_key(api_key),
            timeout=timeout,
            transport=transport,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _json(self, call: Call) -> Json:
        return _decoded(call, await self._answer(call))

    async def _bytes(self, call: Call) -> bytes:
        return (await self._answer(call)).content

    async def _answer(self, call: Call) -> httpx.Response:
        request = self._http.build_request(call.method, call.path, **_parts(call, self._written))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._http.send(request)
                if answer.status_code != _BUSY or attempt == ATTEMPTS:
                    self._written = max(self._written, _position(answer))
                    return _checked(answer)
            except httpx.TransportError:
                if attempt == ATTEMPTS:
                    raise
            await asyncio.sleep(_PAUSE_S * 2**attempt)
        raise AssertionError("the last attempt returns or raises")


def _key(api_key: str | None) -> dict[str, str]:
    """The header that says who sends; none where there is no key."""
    key = api_key or os.environ.get(API_KEY_SETTING)
    return {"Authorization": f"Bearer {key}"} if key else {}


def _parts(call: Call, written: int) -> dict[str, Any]:
    """What a request is made of. A read waits for what this client wrote before."""
    parts: dict[str, Any] = {"params": dict(call.params), "headers": dict(call.headers)}
    if call.method != "GET":
        parts["headers"] |= headers_of_write()
    elif written:
        parts["params"].setdefault("after", written)
    if call.json is not None:
        parts["json"] = dict(call.json)
    if call.content is not None:
        parts["content"] = call.content
    return parts


def _position(answer: httpx.Response) -> int:
    """The last position of a write's events; 0 where the answer names none."""
    return int(answer.headers.get("X-Log-Position", 0))


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    try:
        problem = answer.json()
    except ValueError:
        problem = {"detail": answer.text[:500]}
    raise Refused(answer.status_code, problem if isinstance(problem, dict) else {})  # pyright: ignore[reportUnknownArgumentType]


def _decoded(call: Call, answer: httpx.Response) -> Json:
    decoded: Json = answer.json()
    if call.method != "GET":
        follow(decoded)
    return decoded


_shared: Client | None = None


def shared_client() -> Client:
    """The client that the module-level functions use, made at the first need."""
    global _shared  # noqa: PLW0603 - one connection a process
    if _shared is None:
        _shared = Client()
    return _shared


def use_client(client: Client | None) -> None:
    """Let the module-level functions use this client (None: find the service again at the next need)."""
    global _shared  # noqa: PLW0603 - the same
    _shared = client
