"""From a command over HTTP until its row is visible, through PostgreSQL, the relay, Kafka and the views.

`python -m benchmarks.end_to_end [seconds]` (default 20) starts every role of `docker-compose.yml` and sends
200 commands a second of several tenants in an open loop: a command is timed from when it was due. A second
connection reads with `?after=` until the row is there. Printed with its parts: the answer over HTTP, the
relay (from the answer until its progress row has the event, looked at every 5 ms), and the rest, which is
the projection and the reader. A plain read of what is there already is timed beside it.
"""

import bisect
import http.client
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import psycopg

from benchmarks.http_command import body
from tests.guarantees.roles_world import Tenant, desk, given_tenants
from tests.support.compose import Stack

RATE, TENANTS, CLIENTS = 200, 8, 24
WARM_S = 3
_LOOK_S = 0.005


class Seen(NamedTuple):
    """One command's moments."""

    due: float
    answered: float
    visible: float
    position: int


class RelayLooks:
    """When the relay's progress was first seen at a position."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._ended = threading.Event()
        self._times, self._positions = list[float](), list[int]()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._ended.wait(_LOOK_S):
                row = connection.execute("SELECT position FROM optaic_ops.relay_progress").fetchone()
                if row and (not self._positions or row[0] > self._positions[-1]):
                    self._times.append(time.perf_counter())
                    self._positions.append(row[0])

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def at(self, position: int) -> float:
        """The moment; the last look if it was never seen."""
        return self._times[min(bisect.bisect_left(self._positions, position), len(self._times) - 1)]


class Client(threading.Thread):
    """Sends commands when they are due and reads each until it is visible."""

    def __init__(self, port: int, tenant: Tenant, due: Iterator[float], turn: threading.Lock) -> None:
        super().__init__(daemon=True)
        self.seen = list[Seen]()
        self.plain = list[float]()
        self._headers = {**tenant.headers, "Content-Type": "application/json"}
        self._due, self._turn = due, turn
        self._writer = http.client.HTTPConnection("127.0.0.1", port)
        self._reader = http.client.HTTPConnection("127.0.0.1", port)

    def run(self) -> None:
        """Until the schedule is over."""
        while True:
            with self._turn:
                due = next(self._due, None)
            if due is None:
                return
            time.sleep(max(0.0, due - time.perf_counter()))
            self._send(due)

    def _send(self, due: float) -> None:
        name = f"d-{uuid4().hex}"
        answer = self._ask(self._writer, "POST", "/api/v1/datasets", body(name))
        answered, position = time.perf_counter(), answer["position"]
        self._ask(self._reader, "GET", f"/api/v1/datasets/{name}?after={position}")
        self.seen.append(Seen(due, answered, time.perf_counter(), position))
        if len(self.seen) % 10 == 0:
            began = time.perf_counter()
            self._ask(self._reader, "GET", f"/api/v1/datasets/{name}")
            self.plain.append(time.perf_counter() - began)

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, content: bytes | None = None
    ) -> dict[str, int]:
        connection.request(method, path, content, self._headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer}")
        return answer


def paced(port: int, tenants: Sequence[Tenant], seconds: float) -> list[Client]:
    """Clients that have sent RATE commands a second for so long."""
    start, turn = time.perf_counter() + 0.1, threading.Lock()
    due = iter([start + number / RATE for number in range(int(RATE * seconds))])
    clients = [Client(port, tenants[number % len(tenants)], due, turn) for number in range(CLIENTS)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    return clients


def line(what: str, seconds: Sequence[float]) -> str:
    """A row of the table."""
    found = sorted(seconds)
    shares = (f"{found[int(len(found) * share)] * 1000:.1f}" for share in (0.5, 0.95, 0.99))
    return f"| {what} | {' | '.join(shares)} |"


def main(seconds: float) -> None:
    """Measure and print."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        stack = Stack(folder)
        opened.callback(stack.close)
        stack.start()
        stack.wait_ready()
        with desk(stack) as core:
            tenants = given_tenants(core, [f"tenant-{number}" for number in range(TENANTS)])
        paced(stack.api_port, tenants, WARM_S)
        looks = RelayLooks(stack.database_url)
        clients = paced(stack.api_port, tenants, seconds)
        looks.end()
    seen = [one for each in clients for one in each.seen]
    relayed = [max(one.answered, looks.at(one.position)) for one in seen]
    print(f"| {len(seen):,} of {RATE * seconds:,.0f} commands at {RATE}/s, ms | p50 | p95 | p99 |")
    print("|---|---:|---:|---:|")
    print(line("due to visible (targets: 50 at p50, 250 at p99)", [one.visible - one.due for one in seen]))
    print(line("due to answered over HTTP", [one.answered - one.due for one in seen]))
    parts = list(zip(seen, relayed, strict=True))
    print(line("answered to relayed", [at - one.answered for one, at in parts]))
    print(line("relayed to visible", [max(0.0, one.visible - at) for one, at in parts]))
    print(line("a plain read meanwhile", [one for each in clients for one in each.plain]))
    print(f"\nLoad of the machine: {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20)
