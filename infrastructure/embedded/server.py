"""Serve a data folder: one owner, ready means answering, ends in order on SIGTERM, SIGINT or idleness."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from infrastructure.bootstrap import Service, open_service
from infrastructure.embedded.errors import ServiceAlreadyRunning, ServicePortTaken
from infrastructure.embedded.idleness import UseMeter
from infrastructure.embedded.record import ServiceRecord, new_token, remove_record, running, write_record
from infrastructure.embedded.start_lock import start_lock
from infrastructure.http.app import close_app, create_app
from infrastructure.settings import Settings

DRAIN_S = 10
"""How long requests in flight may take when the service ends."""
_logger = logging.getLogger(__name__)

Ready = Callable[[ServiceRecord], None]
"""Told once, when the service answers."""


def serve(settings: Settings, ready: Ready, *, locked: bool = False) -> None:
    """Own the data folder and serve until told to end. `locked`: who started us holds the start lock.

    Raises ServiceAlreadyRunning, ServicePortTaken, and what opening the folder may raise.
    """
    with contextlib.ExitStack() as starting:
        if not locked:
            starting.enter_context(start_lock(settings.data))
        found = running(settings.data)
        if found is not None:
            raise ServiceAlreadyRunning(f"{settings.data} is served at {found.url} by process {found.pid}")
        until_ready = starting.pop_all()

    def announce(record: ServiceRecord) -> None:
        until_ready.close()
        ready(record)

    with until_ready:
        _serve(settings, announce)


def _serve(settings: Settings, ready: Ready) -> None:
    with listening(settings.host, settings.port) as bound:
        record = ServiceRecord(os.getpid(), settings.host, bound.getsockname()[1], new_token())
        service = open_service(settings)
        try:
            app = create_app(service, settings, fingerprint=record.fingerprint)
            asyncio.run(_run(app, service, bound, lambda: _announce(settings.data, record, ready)))
        finally:
            remove_record(settings.data, record)
            service.close()


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A bound socket. Raises ServicePortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # accepted sockets inherit it: head and body of an answer must not wait 40 ms for each other
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            bound.bind((host, port))
        except OSError as error:
            raise ServicePortTaken(f"{host}:{port}: {error.strerror}", port=port) from None
        yield bound


def _announce(data: Path, record: ServiceRecord, ready: Ready) -> None:
    write_record(data, record)
    ready(record)


async def _run(app: FastAPI, service: Service, bound: socket.socket, announce: Callable[[], None]) -> None:
    meter = UseMeter(app)
    config = uvicorn.Config(
        meter, log_config=None, access_log=False, timeout_graceful_shutdown=DRAIN_S, server_header=False
    )
    server = Server(config, lambda: close_app(app), announce)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.end)
    watch = asyncio.create_task(_end_when_idle(server, meter, service))
    try:
        await server.serve(sockets=[bound])
    finally:
        watch.cancel()


class Server(uvicorn.Server):
    """Says when it answers; on its end open streams are closed first, so that draining is short."""

    def __init__(
        self, config: uvicorn.Config, close_streams: Callable[[], None], announce: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._close_streams = close_streams
        self._announce = announce
        self._ending: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The loop handles signals: after serving there is still a log to close."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets=sockets)
        self._announce()

    def end(self) -> None:
        """End in order; asked a second time, at once."""
        if self._ending is not None:
            self.force_exit = True
        else:
            self._ending = asyncio.create_task(self._end())

    async def _end(self) -> None:
        await asyncio.to_thread(self._close_streams)
        self.should_exit = True


async def _end_when_idle(server: Server, meter: UseMeter, service: Service) -> None:
    """End when nobody has asked anything for the time set and no run is in hand."""
    limit = service.settings.idle_exit_s
    while limit > 0:
        await asyncio.sleep(max(0.2, min(limit - meter.idle_s(), 60.0)))
        if meter.idle_s() >= limit and await asyncio.to_thread(service.executor.wait_idle, 0):
            _logger.info("nobody asked anything for %g s: ending", limit)
            server.end()
            return
