"""The `serve` role: the HTTP API over PostgreSQL. Any number of them may run side by side."""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack

import uvicorn
from fastapi import FastAPI

from infrastructure.access.directory import AccessDirectory
from infrastructure.embedded.server import DRAIN_S, Server, listening
from infrastructure.http.app import close_app, create_app
from infrastructure.roles.runner import Ready
from infrastructure.roles.wiring import Core, open_core, scratch, service_of, shared_secret
from infrastructure.settings import Settings

RUN_TOKENS = "run-tokens"
TURN_S = 0.001
"""How long a thread may keep the interpreter from the event loop: Python's own 5 ms are felt by every request
that waits behind it.
"""


def serve(settings: Settings, ready: Ready) -> int:
    """Serve until told to end. Raises ServicePortTaken, and what opening log, views and stores may raise."""
    sys.setswitchinterval(TURN_S)
    with ExitStack() as opened, listening(settings.host, settings.port) as bound:
        core = open_core(settings, opened, role="serve")
        app = _app(core, bound.getsockname()[1])
        asyncio.run(_run(app, bound, lambda: ready("serve", bound.getsockname()[1])))
    return 0


def _app(core: Core, port: int) -> FastAPI:
    own = core.settings.model_copy(update={"data": scratch(core.settings, f"serve-{port}")})
    directory = AccessDirectory(core.log)
    return create_app(
        service_of(core),
        own,
        access=directory,
        run_token_key=shared_secret(core.operations, RUN_TOKENS),
    )


async def _run(app: FastAPI, bound: socket.socket, announce: Callable[[], None]) -> None:
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=DRAIN_S, server_header=False
    )
    server = Server(config, lambda: close_app(app), announce)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.end)
    await server.serve(sockets=[bound])
