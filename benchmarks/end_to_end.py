"""From a command over HTTP until its row is visible, through PostgreSQL, the relay, Kafka and the views.

`python -m benchmarks.end_to_end [seconds]` (default 20) starts every role of `docker-compose.yml` and sends
commands of several tenants in an open loop, 100 and 200 a second: each is timed from when it was due. Its row
is visible when all five views have its position, by their own rows, which are committed with what they hold
and are looked at every 5 ms. Printed with its parts: the answer over HTTP, the relay (from the answer until
its progress row has the event), and the rest, which is the projection. Of every tenth command the row is also
read over HTTP with `?after=`, as a caller would, and a plain read of what is there is timed beside it.
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
from infrastructure.kafka.partitions import partition_of
from infrastructure.postgres.install import VIEWS_SCHEMA
from tests.guarantees.roles_world import Tenant, desk, given_tenants
from tests.support.compose import Stack
from tests.support.processes import wait_until

RATES, TENANTS, CLIENTS = (100, 200), 8, 24
WARM_S = 3
_LOOK_S = 0.005
_RELAYED = "SELECT 0, position FROM optaic_ops.relay_progress"
_FOLDED = f"""
SELECT partition, min(position) FROM {VIEWS_SCHEMA}.view_generation WHERE serving = 1 GROUP BY partition
"""
PARTITIONS = 6


class Seen(NamedTuple):
    """One command's moments."""

    due: float
    answered: float
    position: int
    partition: int


class Looks:
    """When a position was first seen, a partition at a time; `query` answers rows (partition, position)."""

    def __init__(self, database_url: str, query: str) -> None:
        self._url, self._query = database_url, query.encode()
        self._ended = threading.Event()
        self._seen: dict[int, tuple[list[int], list[float]]] = {}
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._ended.wait(_LOOK_S):
                rows = connection.execute(self._query).fetchall()
                now = time.perf_counter()
                for partition, position in rows:
                    positions, times = self._seen.setdefault(partition, ([], []))
                    if not positions or position > positions[-1]:
                        positions.append(position)
                        times.append(now)

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def has(self, position: int, partition: int) -> bool:
        """Whether it was seen."""
        positions, _ = self._seen.get(partition, ([], []))
        return bool(positions) and positions[-1] >= position

    def at(self, position: int, partition: int) -> float:
        """The moment."""
        positions, times = self._seen[partition]
        return times[bisect.bisect_left(positions, position)]


class Client(threading.Thread):
    """Sends commands when they are due and reads each until it is visible."""

    def __init__(self, port: int, tenant: Tenant, due: Iterator[float], turn: threading.Lock) -> None:
        super().__init__(daemon=True)
        self.seen = list[Seen]()
        self.read = list[float]()
        self.plain = list[float]()
        self._partition = partition_of(tenant.name, PARTITIONS)
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
        self.seen.append(Seen(due, answered, position, self._partition))
        if len(self.seen) % 10 == 0:
            self._ask(self._reader, "GET", f"/api/v1/datasets/{name}?after={position}")
            self.read.append(time.perf_counter() - due)
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


def paced(port: int, tenants: Sequence[Tenant], rate: int, seconds: float) -> list[Client]:
    """Clients that have sent so many commands a second for so long."""
    start, turn = time.perf_counter() + 0.1, threading.Lock()
    due = iter([start + number / rate for number in range(int(rate * seconds))])
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


def measure(stack: Stack, tenants: Sequence[Tenant], rate: int, seconds: float) -> None:
    """Send for so long and print what was seen."""
    relayed, folded = Looks(stack.database_url, _RELAYED), Looks(stack.database_url, _FOLDED)
    clients = paced(stack.api_port, tenants, rate, seconds)
    seen = [one for each in clients for one in each.seen]
    wait_until(lambda: all(folded.has(one.position, one.partition) for one in seen), "not all is folded")
    for looks in (relayed, folded):
        looks.end()
    on_kafka = [max(one.answered, relayed.at(one.position, 0)) for one in seen]
    visible = [max(one.answered, folded.at(one.position, one.partition)) for one in seen]
    parts = list(zip(seen, on_kafka, visible, strict=True))
    print(f"| {len(seen):,} of {rate * seconds:,.0f} commands at {rate}/s, ms | p50 | p95 | p99 |")
    print("|---|---:|---:|---:|")
    print(line("due to visible (targets at 200/s: 50, 250 at p99)", [at - one.due for one, _, at in parts]))
    print(line("due to answered over HTTP", [one.answered - one.due for one in seen]))
    print(line("answered to relayed", [at - one.answered for one, at, _ in parts]))
    print(line("relayed to visible", [max(0.0, last - at) for _, at, last in parts]))
    print(line("due to read with `after`, every tenth", [one for each in clients for one in each.read]))
    print(line("a plain read meanwhile", [one for each in clients for one in each.plain]))
    print(f"\nLoad of the machine: {os.getloadavg()[0]:.1f}.\n")


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
        paced(stack.api_port, tenants, RATES[0], WARM_S)
        for rate in RATES:
            measure(stack, tenants, rate, seconds)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20)
