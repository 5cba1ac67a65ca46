"""The Unix socket of one run, owned by its executor."""

import contextlib
import logging
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from optaic.mlops.runner.protocol import CALL_BYTES_MAX, FrameMalformed, receive_content, send_frame

CONNECTIONS_MAX = 16
CONTAINERS_MAX = 50_000
"""Lists and objects in one call: a few bytes of JSON become a hundred of memory each."""
CALLS_AT_ONCE, CALLS_A_SECOND = 10_000.0, 1_000.0
"""What a run may ask: the first without a pause, then the second. It is the service that answers."""
CALL_BYTES, CONNECTION_CALLS = 4096, 10
"""A call counts once more for so many bytes; a new connection counts like so many calls."""
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


class Pace:
    """Lets calls through at a bounded rate, those of all connections together."""

    def __init__(self, at_once: float, a_second: float) -> None:
        self._at_once = self._left = at_once
        self._a_second = a_second
        self._seen = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def wait(self, calls: float) -> None:
        """Come back once so many calls may go on."""
        with self._lock:
            now = time.monotonic()
            self._left = min(self._at_once, self._left + (now - self._seen) * self._a_second) - calls
            self._seen = now
            behind_s = -self._left / self._a_second
        if behind_s > 0:
            self._ended.wait(behind_s)

    def end(self) -> None:
        """Nobody waits any more."""
        self._ended.set()


class _Server:
    def __init__(self, listener: socket.socket, respond: Respond) -> None:
        self._listener = listener
        self._respond = respond
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._decoding = threading.Lock()
        """One at a time: a run's threads are one of those that the interpreter gives its turns to."""
        self._pace = Pace(CALLS_AT_ONCE, CALLS_A_SECOND)

    def start(self) -> None:
        threading.Thread(target=self._accept, name="run-socket", daemon=True).start()

    def stop(self) -> None:
        """Close everything; threads that wait for a frame end with their connection."""
        self._pace.end()
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
            self._pace.wait(CONNECTION_CALLS)
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
                self._pace.wait(1 + len(content) / CALL_BYTES)
                with self._decoding:
                    call = _decoded(content)
                send_frame(connection, self._respond(call))
        except (FrameMalformed, OSError) as error:
            _log.debug("a run's connection ended: %s", error)
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()
