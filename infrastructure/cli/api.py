"""The HTTP API as commands use it. `http.client` only: a cold command has no time for more."""

import http.client
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from domain.shared.errors import RuleBroken
from infrastructure.embedded.errors import ServiceNotReachable

PREFIX = "/api/v1"
API_KEY = "OPTAIC_MLOPS_API_KEY"
"""Names the API key; every service but the embedded one asks for one. Never an argument: those are seen."""
_TIMEOUT_S = 330.0
_OK_BELOW = 400
_CONNECTIONS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
Query = Mapping[str, object]


class Refused(Exception):
    """The service said no: its problem document."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("detail", ""))
        self.problem = problem

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.problem.get("status", 500))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Api:
    """One service, found under a URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _CONNECTIONS or not parts.hostname:
            raise ServiceNotReachable(f"{url!r} is not an http:// or https:// address")
        self.url = url.rstrip("/")
        self._host, self._port = parts.hostname, parts.port
        self._connection = _CONNECTIONS[parts.scheme]
        key = os.environ.get(API_KEY)
        self._credential = {"Authorization": f"Bearer {key}"} if key else {}

    def get(self, path: str, query: Query | None = None, accept: str = "application/json") -> Answer:
        """Read. Raises Refused, ServiceNotReachable."""
        return self._send("GET", path, query, None, {"Accept": accept})

    def post(self, path: str, body: object = None, query: Query | None = None) -> Answer:
        """Send JSON. Raises Refused, ServiceNotReachable."""
        return self._send("POST", path, query, json.dumps(body or {}).encode(), _JSON)

    def upload(self, path: str, content: bytes | Path, media_type: str, query: Query | None = None) -> Answer:
        """Send a file. Raises Refused, ServiceNotReachable, OSError."""
        if isinstance(content, bytes):
            return self._send("POST", path, query, content, {"Content-Type": media_type})
        with content.open("rb") as file:
            size = {"Content-Length": str(content.stat().st_size)}
            return self._send("POST", path, query, file, {"Content-Type": media_type, **size})

    def pages(self, path: str, query: Query, limit: int | None = None) -> list[Any]:
        """The items of a list, page after page, at most `limit`."""
        items: list[Any] = []
        cursor: str | None = None
        while True:
            size = min(500, limit - len(items)) if limit is not None else 500
            page = self.get(path, {**query, "limit": size, "cursor": cursor}).json()
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None or (limit is not None and len(items) >= limit):
                return items

    def stream(self, path: str, query: Query) -> Iterator[Any]:
        """The data of server-sent events, as they come. Raises Refused, ServiceNotReachable."""
        connection = self._connection(self._host, self._port)
        try:
            headers = {"Accept": "text/event-stream", **self._credential}
            connection.request("GET", _target(path, query), headers=headers)
            response = connection.getresponse()
            if response.status >= _OK_BELOW:
                raise Refused(_problem(response.status, response.read()))
            for line in response:
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])
        except (OSError, http.client.HTTPException) as error:
            raise ServiceNotReachable(f"{self.url}: {error}") from None
        finally:
            connection.close()

    def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: bytes | BinaryIO | None,
        headers: Mapping[str, str],
    ) -> Answer:
        connection = self._connection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            sent = {**headers, **self._credential}
            connection.request(method, _target(path, query or {}), body=body, headers=sent)
            response = connection.getresponse()
            answer = Answer(response.status, dict(response.headers.items()), response.read())
        except (OSError, http.client.HTTPException) as error:
            raise ServiceNotReachable(f"{self.url}: {error}") from None
        finally:
            connection.close()
        if answer.status >= _OK_BELOW:
            raise Refused(_problem(answer.status, answer.body))
        return answer


_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


def segment(text: str) -> str:
    """A reference as one segment of a path."""
    return quote(text, safe="@:")


def as_problem(broken: RuleBroken) -> dict[str, Any]:
    """A refusal that happened here, in the form of those of the service."""
    return {"code": broken.code, "detail": broken.detail, "remedy": broken.remedy}


def _target(path: str, query: Query) -> str:
    given = {key: _text(value) for key, value in query.items() if value is not None}
    return PREFIX + path + (f"?{urlencode(given, doseq=True)}" if given else "")


def _text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _problem(status: int, body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if isinstance(found, dict) and "code" in found:
        return found
    return {
        "status": status,
        "code": "service.answer_unknown",
        "detail": f"HTTP {status}",
        "remedy": "Check --url.",
    }
