"""G3, the log on PostgreSQL: processes append; no gap, and no reader of any of them misses an event."""

import multiprocessing
import threading

import psycopg

from infrastructure.activity_log import open_postgres_log
from tests.activity_log.scenes import TickingClock, envelope, write
from tests.support.processes import wait_until

PROCESSES = 4
WRITERS = 8
APPENDS_EACH = 2_000
TOTAL = WRITERS * APPENDS_EACH
PAGE = 500


def append_all(url, number):
    """A process of its own with two writers."""
    with open_postgres_log(url, TickingClock()) as log:

        def work(writer):
            for index in range(APPENDS_EACH):
                log.append(envelope(f"{number}-{writer}-{index}"), [write(f"w-{number}-{writer}", index)])

        threads = [threading.Thread(target=work, args=(writer,)) for writer in range(WRITERS // PROCESSES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def follow(read, wait, seen):
    """Read pages until everything is seen; a hole would show as a jump."""
    position = 0
    while position < TOTAL:
        for event in read(position, PAGE):
            seen.append((event.position, event.command_id))
            position = event.position
        if position < TOTAL:
            wait(position)


def test_eight_writers_in_four_processes_leave_no_gap_and_no_reader_misses_an_event(log_database):
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=append_all, args=(log_database, number)) for number in range(PROCESSES)]
    with (
        open_postgres_log(log_database, TickingClock()) as one,
        open_postgres_log(log_database, TickingClock()) as two,
        psycopg.connect(log_database, autocommit=True) as raw,
    ):
        seen: list[list] = [[], []]
        notified: list[int] = []
        told: list[int] = []
        one.add_listener(told.append)

        def subscribe():
            with two.recorder.subscribe(gt=0) as subscription:
                for notification in subscription:
                    notified.append(notification.id)
                    if notification.id == TOTAL:
                        break

        threads = [
            threading.Thread(
                target=follow, args=(log.read, lambda at, log=log: log.wait_beyond(at, 10.0), into)
            )
            for log, into in zip((one, two), seen, strict=True)
        ]
        threads.append(threading.Thread(target=subscribe))
        for each in (*threads, *processes):
            each.start()
        tailed = 0
        while (
            tailed < TOTAL
        ):  # another service that looks at the table: the last position is always the count
            found = raw.execute("SELECT count(*), max(position) FROM optaic_log.activity_log").fetchone()
            assert found is not None
            assert found[0] == (found[1] or 0) >= tailed
            tailed = found[0]
        for each in (*threads, *processes):
            each.join()
        wait_until(lambda: one.head() == two.head() == TOTAL, "the head is not heard of")
        assert told == sorted(told)
        assert one.verify().ok
    for each in seen:
        assert [position for position, _ in each] == list(range(1, TOTAL + 1))
    assert seen[0] == seen[1]
    assert notified == list(range(1, TOTAL + 1))
