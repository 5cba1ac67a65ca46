"""How quickly the service answers while hostile code runs beside it.

Run: python -m benchmarks.hostile
Four definitions are evaluated at once, each in its sandbox: one has 50 processes that spin, one four that
write memory, one prints as fast as it can, one spins. Meanwhile one client reads, and the same is measured
of the service at rest.
"""

import http.client
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.http_command import service
from tests.guarantees.hostile_definitions import GREED, packages

GREEDY_S = 20.0
REST_READS = 500
TARGET_MS = 200
PATHS = ("/api/v1/ready", "/api/v1/definitions", "/api/v1/activity?limit=20")


def main() -> None:
    """Print the table."""
    os.environ["OPTAIC_MLOPS_RUN_SLOTS"] = str(len(GREED))
    with tempfile.TemporaryDirectory() as scratch, service(Path(scratch) / "data") as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        rest = reads(connection, lambda taken: len(taken) < REST_READS)
        for package in packages(Path(scratch) / "packages", GREEDY_S).values():
            connection.request("POST", "/api/v1/definitions", package, {"Content-Type": "application/zip"})
            answer = connection.getresponse()
            assert answer.status in {200, 201, 202}, answer.read()
            answer.read()
        until = time.monotonic() + GREEDY_S
        beside = reads(connection, lambda _: time.monotonic() < until)
    print("| reads | count | median | p99 | slowest | target |")
    print("|---|---|---|---|---|---|")
    print(row("of a service at rest", rest, ""))
    print(row("while hostile code runs", beside, f"p99 <= {TARGET_MS} ms"))


def reads(connection: http.client.HTTPConnection, go_on: Callable[[list[float]], bool]) -> list[float]:
    """Milliseconds of each read, one after the other."""
    taken: list[float] = []
    while go_on(taken):
        began = time.perf_counter()
        connection.request("GET", PATHS[len(taken) % len(PATHS)])
        answer = connection.getresponse()
        content = json.loads(answer.read())
        taken.append((time.perf_counter() - began) * 1000)
        assert answer.status == 200, content
    return taken


def row(name: str, taken: list[float], target: str) -> str:
    """One line of the table."""
    figures = (statistics.median(taken), statistics.quantiles(taken, n=100)[98], max(taken))
    told = " | ".join(f"{one:.1f} ms" for one in figures)
    return f"| {name} | {len(taken)} | {told} | {target} |"


if __name__ == "__main__":
    main()
