"""Forks writers of the log and lets them be killed: everything is imported, a restart takes milliseconds.

One JSON request a line on stdin: {place, prefix, failpoints, kill_after}; one JSON answer a line on stdout:
{status, tried: {command name: events}, acknowledged: {command name: position}}. `place` is the path or the
URL of the log. `kill_after` is how many acknowledgements to see before SIGKILL;
without it a failpoint has to do it.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

from infrastructure import failpoints
from infrastructure.activity_log import DatabaseActivityLog, open_activity_log, open_postgres_log
from infrastructure.activity_log.postgres import PostgresDialect
from tests.activity_log.scenes import TickingClock, envelope, write

THREADS = 4
COMMANDS_EACH = 150
IMPORTED = (PostgresDialect,)
"""What the log imports when it is needed: here before the forks."""


def _opened(place: str) -> DatabaseActivityLog:
    if "://" in place:
        return open_postgres_log(place, TickingClock())
    return open_activity_log(Path(place), TickingClock())


def _work(log: DatabaseActivityLog, prefix: str, thread: int, acknowledgements: int) -> None:
    for index in range(COMMANDS_EACH):
        name, events = f"{prefix}-{thread}-{index}", 1 + index % 3
        os.write(acknowledgements, f"tried {name} {events}\n".encode())
        outcome = log.append(envelope(name), [write(name, 0, events)])
        os.write(acknowledgements, f"acknowledged {name} {outcome.position}\n".encode())
        log.append(envelope(), [])  # no event: on PostgreSQL such a command takes the checked way


def _writer(request: dict, acknowledgements: int) -> None:
    failpoints.arm(request["failpoints"])
    with _opened(request["place"]) as log:
        threads = [
            threading.Thread(target=_work, args=(log, request["prefix"], thread, acknowledgements))
            for thread in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _serve(request: dict) -> dict:
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reading)
        _writer(request, writing)
        os._exit(0)
    os.close(writing)
    answer: dict = {"tried": {}, "acknowledged": {}}
    kill_after = request["kill_after"]
    with os.fdopen(reading) as lines:
        for line in lines:
            kind, name, number = line.split()
            answer[kind][name] = int(number)
            if kill_after and len(answer["acknowledged"]) >= kill_after:
                os.kill(child, signal.SIGKILL)
                kill_after = 0
    answer["status"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return answer


if __name__ == "__main__":
    for request_line in sys.stdin:
        print(json.dumps(_serve(json.loads(request_line))), flush=True)
