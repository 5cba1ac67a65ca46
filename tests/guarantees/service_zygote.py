"""Forks embedded services: everything is imported here once, so that a restart costs what the service itself
needs.

One JSON request a line on stdin, one JSON answer a line on stdout. {"start": settings, "failpoints": text,
"environment": {…}} → {"pid", "port"}, where a null port says that it died before it was ready;
{"wait": pid} → {"status"}. A service's output goes to service.log in its data folder.
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path

from infrastructure import failpoints
from infrastructure.embedded.server import serve
from infrastructure.settings import Settings

LOADED_AT_START = (
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.dialects.postgresql",
    "uvicorn.protocols.http.auto",
)
"""What a service imports while it starts."""


def _become_service(request: dict, ready: int) -> None:
    log = os.open(Path(request["start"]["data"]) / "service.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(request["environment"])
    failpoints.arm(request["failpoints"])
    serve(Settings(**request["start"]), lambda record: _say(ready, record.port))


def _say(ready: int, port: int) -> None:
    os.write(ready, str(port).encode())
    os.close(ready)


def _start(request: dict) -> dict:
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        os.close(reading)
        try:
            _become_service(request, writing)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        port = said.read()
    return {"pid": pid, "port": int(port) if port else None}


def _wait(pid: int) -> dict:
    return {"status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}


if __name__ == "__main__":
    for name in LOADED_AT_START:
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        answer = _start(asked) if "start" in asked else _wait(asked["wait"])
        print(json.dumps(answer), flush=True)
