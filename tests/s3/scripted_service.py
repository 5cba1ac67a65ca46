"""An HTTP server on loopback that answers requests as it is told: what moto never answers.

An answer is a status and an S3 error code; when all are given away it answers 200.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ScriptedService(ThreadingHTTPServer):
    """Keeps what it was asked in `requests`: method and path."""

    def __init__(self, answers: list[tuple[int, str]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.requests: list[tuple[str, str]] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedService  # type: ignore[assignment]
    protocol_version = "HTTP/1.1"  # a client that asks "100 Continue?" gets its answer at once

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path))
        status, code = self.server.answers.pop(0) if self.server.answers else (200, "")
        body = b"" if not code else f"<Error><Code>{code}</Code><Message>scripted</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - names of the base class

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def scripted(*answers: tuple[int, str]) -> Iterator[ScriptedService]:
    """A running service with these answers."""
    with ScriptedService(list(answers)) as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()
