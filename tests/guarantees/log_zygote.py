"""Forks writers of the log and lets them be killed: everything is imported, a restart takes milliseconds.

One JSON request a line on stdin: {path, prefix, failpoints, kill_after}; one JSON answer a line on stdout:
{status, tried: {command name: events}, acknowledged: {command name: position}}. `kill_after` is how many
acknowledgements to see before SIGKILL; without it a failpoint has to do it.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

from infrastructure import failpoints
from infrastructure.activity_log import open_activity_log
from tests.activity_log.scenes import TickingClock, envelope, write

THREADS = 4
COMMANDS_EACH = 150


def _work(log, prefix: str, thread: int, acknowledgements: int) -> None:
    for index in range(COMMANDS_EACH):
        name, events = f"{prefix}-{thread}-{index}", 1 + index % 3
        os.write(acknowledgements, f"tried {name} {events}\n".encode())
        outcome = log.append(envelope(name), [write(name, 0, events)])
        os.write(acknowledgements, f"acknowledged {name} {outcome.position}\n".encode())


def _writer(request: dict, acknowledgements: int) -> None:
    failpoints.arm(request["failpoints"])
    with open_activity_log(Path(request["path"]), TickingClock()) as log:
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
