"""All five views on PostgreSQL, folded from a log of the same database, against a raw COPY of the same rows.

`python -m benchmarks.rebuild_postgres [events]` (default 200,000) prints, in one run: COPY of all rows that
came of it into tables of the same form; reading and decoding the log's pages; a rebuild from the log; a
rebuild that compares itself with the live views (both hashes); and catching up in pages of 2,000 by
partition, as a consumer does without its Kafka.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from sqlalchemy import insert

from benchmarks.rebuild import REBUILD_PAGE, read_all, rows, timed
from domain.shared.activity import RecordedEvent
from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.schema import COLUMNS
from infrastructure.activity_log.system_clock import SystemClock
from infrastructure.kafka.partitions import PartitionPage, partition_of
from infrastructure.postgres.connections import engine
from infrastructure.postgres.install import LOG_SCHEMA, VIEWS_SCHEMA
from infrastructure.postgres.operational import relay_partition, relay_progress
from infrastructure.views import PROJECTIONS, open_partitioned_views, open_view_reader
from projections.engine.generations import generation
from tests.support.log_database import installed
from tests.support.postgres import fresh_database, server_url

PARTITIONS = 6
LIVE_PAGE = 2_000


@contextmanager
def session(url: str, schema: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, options=f"-c search_path={schema} -c synchronous_commit=off") as connection:
        yield connection


def fill(url: str, events: int) -> None:
    """Rows of the log in bulk, past its guards."""
    with session(url, LOG_SCHEMA) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        with cursor.copy(f"COPY activity_log ({', '.join(COLUMNS)}) FROM STDIN") as copy:  # type: ignore[arg-type]
            for row in rows(events):
                copy.write_row(row)
        last = 1_700_000_000_000_000 + events
        cursor.execute("UPDATE log_head SET position = %s, recorded_at_us = %s", (events, last))
        cursor.execute("ANALYZE activity_log")


def catch_up(url: str, log: Any, events: int) -> Callable[[], None]:
    """Every partition's pages in turn; the events are read and decoded before."""
    parts: dict[int, list[RecordedEvent]] = {number: [] for number in range(PARTITIONS)}
    done = 0
    while done < events:
        for each in (page := log.read(done, REBUILD_PAGE)):
            parts[partition_of(each.tenant, PARTITIONS)].append(each)
        done = page[-1].position
    publish(url, parts, events)
    views = open_partitioned_views(url)
    for part in parts:
        views.assigned(part)

    def work() -> None:
        for at in range(0, max(len(part) for part in parts.values()), LIVE_PAGE):
            for part, mine in parts.items():
                if page := mine[at : at + LIVE_PAGE]:
                    views.apply([PartitionPage(part, page, at + len(page))])
        assert not views.stopped()
        views.close()

    return work


def publish(url: str, parts: dict[int, list[RecordedEvent]], events: int) -> None:
    """What a relay's rows say when it has put everything onto Kafka."""
    rows_of = engine(url, application_name="benchmark")
    with rows_of.begin() as connection:
        moved = {"id": 1, "owner": "benchmark", "position": events, "moved_at_us": 0}
        connection.execute(insert(relay_progress).values(**moved, partitions=PARTITIONS))
        for part, mine in parts.items():
            last = {"partition": part, "position": mine[-1].position, "kafka_offset": len(mine) - 1}
            connection.execute(insert(relay_partition).values(**last))
    rows_of.dispose()


def raw_copy(url: str, number: int) -> tuple[Callable[[], None], int]:
    """COPY of the serving rows, one stream a table, into tables with the same keys and indexes."""
    made = [generation(projection, 1_000) for projection in PROJECTIONS]
    held: list[tuple[str, list[bytes]]] = []
    count = 0
    with session(url, VIEWS_SCHEMA) as connection, connection.cursor() as cursor:
        for each in made:
            for name, stored in each.stored.items():
                with cursor.copy(f"COPY {name}_{number} TO STDOUT (FORMAT BINARY)") as copy:  # type: ignore[arg-type]
                    held.append((stored.table.name, [bytes(block) for block in copy]))
                cursor.execute(f"SELECT count(*) FROM {name}_{number}")  # type: ignore[arg-type]
                count += (cursor.fetchone() or (0,))[0]
    tables = engine(url, application_name="benchmark", schema=VIEWS_SCHEMA)
    for each in made:
        each.metadata.create_all(tables)
    tables.dispose()

    def work() -> None:
        with session(url, VIEWS_SCHEMA) as connection, connection.cursor() as cursor:
            for table, blocks in held:
                with cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:  # type: ignore[arg-type]
                    for block in blocks:
                        copy.write(block)

    return work, count


def main(events: int = 200_000) -> None:
    with ExitStack() as opened:
        server = opened.enter_context(server_url())
        database = opened.enter_context(fresh_database(server))
        url = installed(database)
        fill(database, events)
        log = open_postgres_log(url, SystemClock())
        opened.callback(log.close)
        reader = open_view_reader(url, log)
        opened.callback(reader.close)
        read_all(log, min(events, 50_000))
        lines = [("raw page read + decode", timed(lambda: read_all(log, events)))]
        lines.append(("rebuild, all five views", timed(reader.rebuild)))

        def equal() -> None:
            assert all(report.is_equal for report in reader.rebuild())

        lines.append(("rebuild + both hashes", timed(equal)))
        other = installed(opened.enter_context(fresh_database(server)))
        lines.append(("catch-up, pages of 2,000", timed(catch_up(other, log, events))))
        copying, written = raw_copy(url, 2)
        raw = timed(copying)
    print(f"five views from {events:,} events on PostgreSQL; rows an event: {written / events:.2f}")
    print(f"{'':36}{'events/s':>10}{'of raw COPY':>13}{'events/CPU s':>14}")
    for name, taken in (("raw COPY of the same rows", raw), *lines):
        shares = f"{raw.wall / taken.wall:>13.2f}{events / taken.cpu:>14,.0f}"
        print(f"{name:36}{events / taken.wall:>10,.0f}{shares}")


if __name__ == "__main__":
    began = time.perf_counter()
    main(*(int(argument.replace("_", "").replace(",", "")) for argument in sys.argv[1:]))
    print(f"{time.perf_counter() - began:.0f} s in all")
