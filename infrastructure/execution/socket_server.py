"""The Unix socket of one run, owned by its executor."""

import contextlib
import logging
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from optaic.mlops.runner.protocol import CALL_BYTES_MAX, FrameMalformed, receive_content, send_frame

CONNECTIONS_MAX = 16
CONTAINERS_MAX = 50_000
"""Lists and objects in one call: a few bytes of JSON become a hundred of memory each."""
PATH_BYTES_MAX = 100
"""The kernel takes 107 bytes for the path of a Unix socket."""
_log = logging.getLogger(__name__)
Respond = Callable[[Mapping[str, Any]], dict[str, Any]]


@contextmanager
def serve_socket(respond: Respond, folder: Path) -> Iterator[Path]:
    """Answer frames on a new socket, for as long as the context lasts. Only this user can reach it.

    It lies in the run's folder (mode 0700), or in a temporary one where that path is too long for a socket.
    """
    with contextlib.ExitStack() as stack:
        path = folder / "run.sock"
        if len(str(path).encode()) > PATH_BYTES_MAX:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="optaic-run-"))) / "run.sock"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen(CONNECTIONS_MAX)
        server = _Server(listener, respond)
        server.start()
        try:
            yield path
        finally:
            server.stop()


def _decoded(content: bytes) -> dict[str, Any]:
    """A call as it was sent, by strict rules: what means nothing in JSON (NaN, half a letter) is refused."""
    if content.count(b"[") + content.count(b"{") > CONTAINERS_MAX:
        raise FrameMalformed("a call holds too many lists and objects")
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise FrameMalformed(f"a call is not a JSON object: {error}") from error


class _Server:
    def __init__(self, listener: socket.socket, respond: Respond) -> None:
        self._listener = listener
        self._respond = respond
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._accept, name="run-socket", daemon=True).start()

    def stop(self) -> None:
        """Close everything; threads that wait for a frame end with their connection."""
        with self._lock:
            open_ones = [self._listener, *self._connections]
        for one in open_ones:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                full = len(self._connections) >= CONNECTIONS_MAX
                if not full:
                    self._connections.add(connection)
            if full:
                connection.close()
                continue
            threading.Thread(target=self._talk, args=(connection,), name="run-call", daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            while (content := receive_content(connection, CALL_BYTES_MAX)) is not None:
                send_frame(connection, self._respond(_decoded(content)))
        except (FrameMalformed, OSError) as error:
            _log.debug("a run's connection ended: %s", error)
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()
