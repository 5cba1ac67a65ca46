"""Appending to the activity log on PostgreSQL, against raw connections and the library's own recorder.

Run: python -m benchmarks.append_postgres. The server is the tests' own, or the one that
OPTAIC_MLOPS_TEST_POSTGRES names (the URL of a superuser).
"""

import importlib.util
import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from eventsourcing.persistence import StoredEvent

from benchmarks.append import (
    THREADS,
    Contender,
    Line,
    alone,
    append,
    append_async,
    at_least,
    crowd,
    grow,
    print_table,
    race,
    tasks,
)
from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.schema import COLUMNS
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.postgres.connections import libpq_url
from tests.support.log_database import installed
from tests.support.postgres import fresh_database, server_url

CONNECTIONS = 8
PROCESSES = 4
CALLERS = 16


class RawTable:
    """Single INSERTs of a comparable row, each with its commit, in no order: what the server and disk set."""

    def __init__(self, url: str) -> None:
        self._url = url
        with psycopg.connect(url, autocommit=True) as connection:
            kinds = {"position": "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "payload": "bytea"}
            kinds |= {"body_hash": "bytea", "recorded_at_us": "bigint", "stream_version": "bigint"}
            columns = ", ".join(f"{name} {kinds.get(name, 'text')}" for name in COLUMNS)
            connection.execute(f"CREATE TABLE raw ({columns})")  # type: ignore[arg-type]
        self._here = threading.local()
        self._all: list[psycopg.Connection[Any]] = []
        self._statement = (
            f"INSERT INTO raw ({', '.join(COLUMNS[1:])}) VALUES ({', '.join(['%s'] * 18)})".encode()
        )

    def append(self) -> None:
        connection = getattr(self._here, "connection", None)
        if connection is None:
            connection = self._here.connection = psycopg.connect(self._url, autocommit=True)
            self._all.append(connection)
        text, topic = "0192aaaa-bbbb-7ccc-8ddd-eeeeffff0000", "training_run.metrics_logged:1"
        what = (text, "acme", text, 1, "training_run", text, topic)
        who = ("p_1", "local", None, None, text, "0", b"x" * 32, text, None)
        connection.execute(self._statement, (*what, *who, 1_700_000_000_000_000, b"p" * 220), prepare=True)

    def close(self) -> None:
        for connection in self._all:
            connection.close()


class Standing:
    """Threads that live as long as the race, so that a connection is made once and not in every burst."""

    def __init__(self, raw: RawTable, threads: int, each: int) -> None:
        self._raw = raw
        self._each = each
        self._begin = threading.Barrier(threads + 1)
        self._end = threading.Barrier(threads + 1)
        self._over = False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while True:
            self._begin.wait()
            if self._over:
                return
            for _ in range(self._each):
                self._raw.append()
            self._end.wait()

    def burst(self, _: int) -> int:
        self._begin.wait()
        self._end.wait()
        return len(self._threads) * self._each

    def close(self) -> None:
        self._over = True
        self._begin.wait()
        for thread in self._threads:
            thread.join()


def _append_in_turns(url: str, name: str, each: int, awaiting: bool, pipe: Connection) -> None:  # noqa: FBT001
    """One service process: `CALLERS` threads or tasks, a burst for each turn that the pipe names."""
    with open_postgres_log(url, SystemClock()) as log:
        if awaiting:
            burst = tasks(lambda stream: append_async(log, f"{name}-{stream}"), CALLERS, each)
        else:
            burst = crowd(lambda stream: append(log, f"{name}-{stream}", 0), CALLERS, each)
        pipe.send("ready")
        while (turn := pipe.recv()) is not None:
            burst.take_turn(turn)
            pipe.send("done")


@contextmanager
def several_processes(url: str, each: int, *, awaiting: bool = False) -> Iterator[Contender]:
    spawn = multiprocessing.get_context("spawn")
    pipes, children = [], []
    for number in range(PROCESSES):
        ours, theirs = spawn.Pipe()
        name = f"{'tasks' if awaiting else 'threads'}-{number}"
        child = spawn.Process(target=_append_in_turns, args=(url, name, each, awaiting, theirs))
        child.start()
        pipes.append(ours)
        children.append(child)

    def tell_all(what: int | None) -> None:
        for pipe in pipes:
            pipe.send(what)

    def hear_all() -> None:
        for pipe in pipes:
            pipe.recv()

    def burst(turn: int) -> int:
        tell_all(turn)
        hear_all()
        return PROCESSES * CALLERS * each

    hear_all()
    yield Contender(burst)
    tell_all(None)
    for child in children:
        child.join()


class StockRecorder:
    """The library's own PostgreSQL recorder."""

    def __init__(self, url: str) -> None:
        from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore  # psycopg-pool

        parts = urlsplit(url)
        self._datastore = PostgresDatastore(
            dbname=parts.path[1:],
            host=parts.hostname or "",
            port=parts.port or 5432,
            user=parts.username or "",
            password="",
            pool_size=CONNECTIONS,
        )
        self._recorder = PostgresApplicationRecorder(self._datastore)
        self._recorder.create_table()

    def append(self) -> None:
        event = StoredEvent(uuid4(), 1, "training_run.metrics_logged:1", b"p" * 220)
        self._recorder.insert_events([event])

    def close(self) -> None:
        self._datastore.close()


def measure_appends(server: str) -> list[Line]:
    with ExitStack() as stack:
        raw = RawTable(stack.enter_context(fresh_database(server)))
        stack.callback(raw.close)
        stock = None
        if importlib.util.find_spec("psycopg_pool"):  # the library's recorder needs it, nothing of ours does
            stock = StockRecorder(stack.enter_context(fresh_database(server)))
            stack.callback(stock.close)
        url = installed(stack.enter_context(fresh_database(server)))
        log = stack.enter_context(open_postgres_log(url, SystemClock()))
        floor = alone(lambda _: raw.append(), 40)
        one = alone(lambda name: append(log, name, 0), 40)
        race(60, floor, one)
        eight_threads = Standing(raw, CONNECTIONS, 100)
        stack.callback(eight_threads.close)
        eight = Contender(eight_threads.burst)
        many = crowd(lambda name: append(log, name, 0), THREADS, 20)
        awaiting = tasks(lambda name: append_async(log, name), THREADS, 20)
        theirs = None if stock is None else crowd(lambda _: stock.append(), CONNECTIONS, 12)
        race(12, eight, many, awaiting, *([theirs] if theirs else []))
        eight_beside = Contender(eight_threads.burst)
        processes = stack.enter_context(several_processes(url, 20))
        awaited = stack.enter_context(several_processes(url, 20, awaiting=True))
        race(12, eight_beside, processes, awaited)
        assert log.verify().ok
    against_stock = theirs and [
        at_least("64 threads / stock recorder, 8 threads", many, theirs, 8.0),
        at_least("64 asyncio callers / stock recorder, 8 threads", awaiting, theirs, 8.0),
    ]
    return [
        at_least("one caller / raw INSERT + commit", one, floor, 0.5),
        at_least("64 threads / 8 unordered raw connections", many, eight, 1.5),
        *(against_stock or []),
        at_least("64 asyncio callers / 8 raw connections", awaiting, eight, 1.5),
        at_least("4 processes x 16 threads / 8 raw connections", processes, eight_beside, 1.0),
        at_least("4 processes x 16 asyncio callers / 8 raw connections", awaited, eight_beside, 1.0),
    ]


def measure_growth(server: str) -> Line:
    """Appends to a log of 1k rows in turn with appends to one of 100k rows, each grown from empty."""
    clock = SystemClock()
    with ExitStack() as stack:
        small, large = (
            stack.enter_context(
                open_postgres_log(installed(stack.enter_context(fresh_database(server))), clock)
            )
            for _ in range(2)
        )
        at_first = alone(lambda name: append(small, name, 0), 20)
        race(10, at_first)
        grow(large, 100_000)
        at_small = alone(lambda name: append(small, f"later-{name}", 0), 20)
        at_large = alone(lambda name: append(large, name, 0), 20)
        race(60, at_small, at_large)
    figure = f"{1e6 / at_large.rate:,.0f} µs of {1e6 / at_small.rate:,.0f} µs"
    return Line(
        "append at 100k rows / at 1k rows", figure, at_small.rate / at_large.rate, 1.5, at_least=False
    )


def main() -> None:
    with server_url() as server:
        with psycopg.connect(libpq_url(server)) as connection:
            version = connection.info.parameter_status("server_version")
        print(f"PostgreSQL {version}\n")
        print_table([*measure_appends(server), measure_growth(server)])


if __name__ == "__main__":
    main()
