"""Appending to the activity log, and folding streams: ratios measured side by side in one run.

Run: python -m benchmarks.append
"""

import asyncio
import sqlite3
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from application.ports import StreamWrite
from domain.run.events import RunMetricsLogged
from domain.run.pins import MetricPoint
from domain.shared.activity import Actor, Envelope, Event, StreamKey
from infrastructure.activity_log import DatabaseActivityLog, open_activity_log
from infrastructure.activity_log.schema import COLUMNS
from infrastructure.activity_log.sqlite import driver
from infrastructure.activity_log.system_clock import SystemClock

THREADS = 64


@dataclass(frozen=True)
class Line:
    """A row of the table: what was measured, its ratio and the target."""

    what: str
    figure: str
    ratio: float
    target: float
    at_least: bool

    @property
    def holds(self) -> bool:
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target


def event_of(index: int) -> RunMetricsLogged:
    points = tuple(MetricPoint(name="loss", step=step, value=0.5 + step / 7) for step in range(4))
    return RunMetricsLogged(run_id=f"run-{index}", kind="training", instance="spx-alpha", points=points)


def envelope() -> Envelope:
    return Envelope(
        tenant="acme",
        actor=Actor(principal="p_1"),
        command_id=uuid4(),
        body_hash=b"x" * 32,
        correlation_id=uuid4(),
    )


def append(log: DatabaseActivityLog, stream: str, expected: int, index: int = 0) -> None:
    log.append(envelope(), [StreamWrite(StreamKey("run_metrics", stream), expected, (event_of(index),))])


async def append_async(log: DatabaseActivityLog, stream: str) -> None:
    write = StreamWrite(StreamKey("run_metrics", stream), 0, (event_of(0),))
    await log.append_async(envelope(), [write])


class RawTable:
    """One INSERT and commit of a comparable row: the floor that the disk and SQLite set."""

    def __init__(self, path: Path) -> None:
        self._connection = driver.connect(str(path), isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        columns = ", ".join(COLUMNS[1:])
        self._connection.execute(f"CREATE TABLE t (position INTEGER PRIMARY KEY, {columns})")
        self._position = 0

    def append(self) -> None:
        self._position += 1
        text, topic, payload = (
            "0192aaaa-bbbb-7ccc-8ddd-eeeeffff0000",
            "training_run.metrics_logged:1",
            b"p" * 220,
        )
        what = ("acme", text, 1, "training_run", text, topic)
        who = ("p_1", "local", None, None, text, 0, b"x" * 32, text, None)
        row = (self._position, text, *what, *who, 1_700_000_000_000_000, payload)
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(f"INSERT INTO t VALUES ({','.join('?' * len(row))})", row)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


class Contender:
    """Something measured in short bursts, turn by turn with its rivals, so that all meet the same disk."""

    def __init__(self, burst: Callable[[int], int]) -> None:
        """`burst(turn)` does its work and returns how much it did."""
        self._burst = burst
        self._done = 0
        self._seconds = 0.0
        self.fastest = 0.0
        """The rate of the fastest burst: for work without the disk, what other programs leave undisturbed."""

    def take_turn(self, turn: int) -> None:
        started = time.perf_counter()
        done = self._burst(turn)
        seconds = time.perf_counter() - started
        self._seconds += seconds
        self._done += done
        self.fastest = max(self.fastest, done / seconds)

    @property
    def rate(self) -> float:
        """How much a second, all bursts together (checkpoints included)."""
        return self._done / self._seconds


def race(turns: int, *contenders: Contender) -> None:
    for turn in range(turns):
        for contender in contenders:
            contender.take_turn(turn)


def alone(action: Callable[[str], object], count: int) -> Contender:
    def burst(turn: int) -> int:
        for index in range(count):
            action(f"alone-{turn}-{index}")
        return count

    return Contender(burst)


def crowd(action: Callable[[str], object], threads: int, each: int) -> Contender:
    def burst(turn: int) -> int:
        workers = [threading.Thread(target=work, args=(turn, thread)) for thread in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return threads * each

    def work(turn: int, thread: int) -> None:
        for index in range(each):
            action(f"crowd-{turn}-{thread}-{index}")

    return Contender(burst)


def tasks(action: Callable[[str], Awaitable[object]], count: int, each: int) -> Contender:
    """As `crowd`, the callers being tasks of one event loop."""

    async def work(turn: int, task: int) -> None:
        for index in range(each):
            await action(f"task-{turn}-{task}-{index}")

    async def all_of(turn: int) -> None:
        await asyncio.gather(*(work(turn, task) for task in range(count)))

    def burst(turn: int) -> int:
        asyncio.run(all_of(turn))
        return count * each

    return Contender(burst)


class StockRecorder:
    """The library's own SQLite recorder, its connections at synchronous FULL."""

    def __init__(self, path: Path) -> None:
        self._datastore = SQLiteDatastore(
            f"file:{path}", lock_timeout=60, pool_size=THREADS, pool_timeout=60.0
        )
        create = self._datastore.pool._create_connection  # noqa: SLF001

        def create_full():  # noqa: ANN202
            connection = create()
            connection.cursor().execute("PRAGMA synchronous = FULL")
            return connection

        self._datastore.pool._create_connection = create_full  # type: ignore[method-assign]  # noqa: SLF001
        self.recorder = SQLiteApplicationRecorder(self._datastore)
        self.recorder.create_table()

    def append(self) -> None:
        self.recorder.insert_events([StoredEvent(uuid4(), 1, "training_run.metrics_logged:1", b"p" * 220)])

    def close(self) -> None:
        self._datastore.close()


def measure_appends(folder: Path) -> list[Line]:
    raw = RawTable(folder / "raw")
    stock = StockRecorder(folder / "stock")
    log = open_activity_log(folder / "log", SystemClock())
    floor = alone(lambda _: raw.append(), 40)
    one = alone(lambda name: append(log, name, 0), 40)
    race(60, floor, one)
    floor_again = alone(lambda _: raw.append(), 100)
    many = crowd(lambda name: append(log, name, 0), THREADS, 20)
    theirs = crowd(lambda _: stock.append(), THREADS, 3)
    awaiting = tasks(lambda name: append_async(log, name), THREADS, 20)
    race(12, floor_again, many, awaiting, theirs)
    for each in (raw, stock, log):
        each.close()
    return [
        at_least("one caller / raw INSERT + commit", one, floor, 0.6),
        at_least("64 callers / raw INSERT + commit", many, floor_again, 2.5),
        at_least("64 callers / stock recorder, 64 threads", many, theirs, 3.0),
        at_least("64 asyncio callers / raw INSERT + commit", awaiting, floor_again, 2.5),
        at_least("64 asyncio callers / stock, 64 threads", awaiting, theirs, 3.0),
    ]


def at_least(what: str, measured: Contender, floor: Contender, target: float) -> Line:
    figure = f"{measured.rate:,.0f}/s of {floor.rate:,.0f}/s"
    return Line(what, figure, measured.rate / floor.rate, target, at_least=True)


def measure_growth(folder: Path) -> Line:
    """Appends to a log of 1k rows in turn with appends to one of 100k rows, each grown from empty."""
    clock = SystemClock()
    with (
        open_activity_log(folder / "small", clock) as small,
        open_activity_log(folder / "large", clock) as large,
    ):
        grow(small, 1_000)
        grow(large, 100_000)
        at_small = alone(lambda name: append(small, name, 0), 20)
        at_large = alone(lambda name: append(large, name, 0), 20)
        race(60, at_small, at_large)
    figure = f"{1e6 / at_large.rate:,.0f} µs of {1e6 / at_small.rate:,.0f} µs"
    return Line(
        "append at 100k rows / at 1k rows", figure, at_small.rate / at_large.rate, 1.5, at_least=False
    )


def grow(log: DatabaseActivityLog, rows: int) -> None:
    while (head := log.head()) < rows:
        events = tuple(event_of(index) for index in range(min(256, rows - head)))
        log.append(envelope(), [StreamWrite(StreamKey("run_metrics", f"grow-{head}"), 0, events)])


def _count(state: int, _: Event) -> int:
    return state + 1


def measure_load(folder: Path) -> list[Line]:
    stream = StreamKey("run_metrics", "long")
    with open_activity_log(folder / "loaded", SystemClock()) as log:
        for expected in range(0, 1_000, 200):
            events = tuple(event_of(index) for index in range(200))
            log.append(envelope(), [StreamWrite(stream, expected, events)])
        cold = alone(lambda _: log.load("acme", stream, 0, lambda state, _: state + 1), 1)
        cached = alone(lambda _: log.load("acme", stream, 0, _count), 10)
        log.load("acme", stream, 0, _count)
        race(20, cold, cached)
    return [_an_event("cold", cold), _an_event("cached", cached)]


def _an_event(how: str, load: Contender) -> Line:
    per_event_us = 1e6 / load.fastest / 1_000
    what = f"load of 1,000 events, {how}: µs an event"
    return Line(what, f"{1e6 / load.fastest:,.0f} µs a load", per_event_us, 10.0, at_least=False)


def print_table(lines: Sequence[Line]) -> None:
    print(f"| {'what':<44} | {'measured':<26} | {'ratio':>6} | {'target':>7} | holds |")
    print(f"|{'-' * 46}|{'-' * 28}|{'-' * 8}|{'-' * 9}|-------|")
    for line in lines:
        target = f"{'≥' if line.at_least else '≤'} {line.target:g}"
        holds = "yes" if line.holds else "NO"
        print(f"| {line.what:<44} | {line.figure:<26} | {line.ratio:>6.2f} | {target:>7} | {holds:<5} |")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="append-") as name:
        folder = Path(name)
        lines = [*measure_appends(folder), measure_growth(folder), *measure_load(folder)]
    print(f"SQLite {driver.sqlite_version} (Python's own: {sqlite3.sqlite_version})\n")
    print_table(lines)


if __name__ == "__main__":
    main()
