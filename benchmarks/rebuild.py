"""Rebuild and catch-up of the views `registry` and `runs`, against reading and decoding the same pages.

`python -m benchmarks.rebuild [events]` (default 1,000,000) fills a log in bulk, then prints side by side, in
one run: raw page read + decode; a rebuild in pages of 5,000; a catch-up in pages of 2,000 as the projector
does it (with its reading); rows written; peak memory.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from pysqlite3 import dbapi2

from domain.shared.activity import RecordedEvent
from infrastructure.activity_log import DatabaseActivityLog, open_activity_log
from infrastructure.activity_log.schema import COLUMNS
from infrastructure.views.sqlite import SqliteViews
from projections import registry, runs
from projections.engine.projector import Projector
from projections.engine.rebuild import rebuild
from tests.projections.support.generated import Generator

PROJECTIONS = (registry.PROJECTION, runs.PROJECTION)
REBUILD_PAGE, LIVE_PAGE = 5_000, 2_000
WORLD = 20_000


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def rows(events: int) -> Iterator[tuple[object, ...]]:
    """Rows of the log: one generated world, copied under other tenants, run ids and streams."""
    tenants = tuple(f"tenant-{number}" for number in range(40))
    world = Generator(Random(1), tenants=tenants).run(min(WORLD, events)).events
    position = copy = 0
    while position < events:
        namespace = UUID(int=copy)
        streams = {each.stream_id: str(uuid5(namespace, each.stream_id.hex)) for each in world}
        for recorded in world[: events - position]:
            position += 1
            yield row(recorded, position, copy, streams[recorded.stream_id])
        copy += 1


def row(recorded: RecordedEvent, position: int, copy: int, stream: str) -> tuple[object, ...]:
    mine, copied = "018bcfe5-", f"{0x018BCFE5 + copy:08x}-"
    unique = str(UUID(int=position))
    return (
        position,
        unique,
        f"{recorded.tenant}-{copy}",
        stream,
        recorded.stream_version,
        recorded.resource_type,
        recorded.resource_id.replace(mine, copied),
        f"{recorded.action}:{recorded.schema_version}",
        recorded.actor.principal,
        recorded.actor.method,
        recorded.actor.on_behalf_of,
        recorded.reason,
        unique,
        0,
        b"\0" * 32,
        str(recorded.correlation_id),
        None if recorded.causation_id is None else str(recorded.causation_id),
        1_700_000_000_000_000 + position,
        recorded.payload.replace(mine.encode(), copied.encode()),
    )


def filled(path: Path, events: int) -> DatabaseActivityLog:
    open_activity_log(path, SystemClock()).close()
    driver: Any = dbapi2
    connection = driver.connect(str(path), isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("BEGIN IMMEDIATE")
    marks = ", ".join("?" * len(COLUMNS))
    connection.executemany(f"INSERT INTO activity_log ({', '.join(COLUMNS)}) VALUES ({marks})", rows(events))
    last = 1_700_000_000_000_000 + events
    connection.execute("UPDATE log_head SET position = ?, recorded_at_us = ?", (events, last))
    connection.execute("COMMIT")
    connection.close()
    return open_activity_log(path, SystemClock())


class Timing(NamedTuple):
    """Seconds by the wall clock, and of this process's CPU (less stretched by a busy machine)."""

    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Timing:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timing(time.perf_counter() - wall, time.process_time() - cpu)


def read_all(log: DatabaseActivityLog, events: int) -> None:
    done = 0
    while done < events:
        done = log.read(done, REBUILD_PAGE)[-1].position


def timed_catch_up(log: DatabaseActivityLog, path: Path) -> tuple[Timing, int]:
    """Time from an empty file to the head, and the temporal rows that were written."""
    store = SqliteViews(path)
    projector = Projector(log, store, PROJECTIONS, owner="benchmark", page_size=LIVE_PAGE)
    taken = timed(projector.catch_up)
    written = 0
    for writer in projector.writers.values():
        assert not writer.is_stopped, writer.error
        for stored in writer.generation.stored.values():
            if stored.relation.temporal:
                with store.read() as connection:
                    found = connection.exec_driver_sql(f"SELECT count(*) FROM {stored.table.name}")
                    written += found.scalar_one()
    projector.close()
    store.close()
    return taken, written


def timed_rebuild(log: DatabaseActivityLog, path: Path) -> Timing:
    """Time of a rebuild beside live views at the head, with the hashes of both that it compares."""
    store = SqliteViews(path)
    projector = Projector(log, store, PROJECTIONS, owner="benchmark")
    taken = timed(lambda: verify_equal(projector))
    projector.close()
    store.close()
    return taken


def verify_equal(projector: Projector) -> None:
    assert all(report.is_equal for report in rebuild(projector, page_size=REBUILD_PAGE))


def main(events: int = 1_000_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = filled(Path(folder) / "log.sqlite", events)
        read_all(log, min(events, 50_000))
        read = timed(lambda: read_all(log, events))
        caught, written = timed_catch_up(log, Path(folder) / "views.sqlite")
        rebuilt = timed_rebuild(log, Path(folder) / "views.sqlite")
        log.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"registry + runs from {events:,} events; temporal rows an event: {written / events:.2f}")
    print(f"{'':38}{'events/s':>10}{'of raw':>8}{'events/CPU s':>14}{'of raw':>8}   target")
    for name, taken, target in (
        ("raw page read + decode", read, ""),
        ("rebuild + both hashes, pages of 5,000", rebuilt, ">= 0.15 of raw"),
        ("catch-up, pages of 2,000", caught, ">= 50,000 events/s"),
    ):
        shares = f"{read.wall / taken.wall:>8.2f}{events / taken.cpu:>14,.0f}{read.cpu / taken.cpu:>8.2f}"
        print(f"{name:38}{events / taken.wall:>10,.0f}{shares}   {target}")
    print(f"peak memory {peak:.2f} GiB, target <= 2 GiB")


if __name__ == "__main__":
    main(*(int(argument.replace("_", "").replace(",", "")) for argument in sys.argv[1:]))
