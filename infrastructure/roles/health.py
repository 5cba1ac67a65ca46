"""The small HTTP server of a role without an API: `/health`, `/ready`, `/metrics`, nothing else."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import msgspec

from domain.shared.errors import Kind, RuleBroken
from infrastructure.observability.masking import masked
from infrastructure.roles.role import Role, RoleStatus

JSON = "application/json"
PATIENCE_S = 5.0
"""How long a client may take over its request."""
AT_ONCE = 16
"""Further connections are closed unanswered."""


class RolePortTaken(RuleBroken):
    """The role's health server cannot listen where it should."""

    kind = Kind.UNAVAILABLE
    remedy = "End what listens there, or name another port with OPTAIC_MLOPS_ROLE_PORT."


class HealthServer:
    """Answers for a role in threads of its own; `port` 0 takes any free one."""

    def __init__(self, host: str, port: int, role: Role, name: str) -> None:
        """Listens at once, answers after `start`. Raises RolePortTaken."""
        handler = type("Handler", (_Handler,), {"role": role, "name": name})
        try:
            self._server = _Server((host, port), handler)
        except OSError as error:
            raise RolePortTaken(f"{host}:{port}: {error.strerror or error}", port=port) from error
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="health", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Give the port back; twice is once."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        if ":" in address[0]:
            import socket

            self.address_family = socket.AF_INET6
        self._free = threading.BoundedSemaphore(AT_ONCE)
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without asking a name server who we are."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if there is one left."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, one request."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's concern."""


class _Handler(BaseHTTPRequestHandler):
    role: ClassVar[Role]
    name: ClassVar[str]
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        """Answer one of the three."""
        try:
            match self.path.partition("?")[0]:
                case "/health":
                    self._health()
                case "/ready":
                    self._ready()
                case "/metrics":
                    from infrastructure.observability.metrics import CONTENT_TYPE, exposition

                    self._say(200, exposition(), CONTENT_TYPE)
                case _:
                    self._object(404, {"detail": "there is /health, /ready and /metrics"})
        except Exception as error:
            self._object(500, {"detail": f"{type(error).__name__}: {error}"})

    def do_HEAD(self) -> None:
        """The same without its body."""
        self.do_GET()

    def __getattr__(self, name: str) -> Any:
        """Any other method."""
        if name.startswith("do_"):
            return self._refuse
        raise AttributeError(name)

    def _refuse(self) -> None:
        self._object(405, {"detail": "only GET and HEAD"}, allow="GET, HEAD")

    def _health(self) -> None:
        failure = self.role.failure
        if failure is None:
            self._object(200, {"role": self.name, "status": "ok"})
        else:
            detail = f"{type(failure).__name__}: {failure}"
            self._object(500, {"role": self.name, "status": "failed", "detail": detail})

    def _ready(self) -> None:
        status: RoleStatus = self.role.status()
        ready = status.ready and self.role.failure is None
        said = {"role": self.name, "ready": ready, "detail": status.detail, "facts": status.facts}
        self._object(200 if ready else 503, said)

    def _object(self, code: int, said: dict[str, Any], **headers: str) -> None:
        self._say(code, msgspec.json.encode(masked(said)), JSON, **headers)

    def _say(self, code: int, body: bytes, media_type: str, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        for name, value in headers.items():
            self.send_header(name.title(), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """What answers."""
        return "optaic-mlops"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Probes come every few seconds: they are no news."""
