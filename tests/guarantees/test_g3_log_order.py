"""G3, the log on SQLite: positions have no gap and are the order of commits; no reader misses an event."""

import threading

from infrastructure.activity_log import open_activity_log, open_readonly
from tests.activity_log.scenes import TickingClock, envelope, write

WRITERS = 8
APPENDS_EACH = 2_000
TOTAL = WRITERS * APPENDS_EACH
PAGE = 500


def follow(read, wait, seen):
    """Read pages until everything is seen; a hole would show as a jump."""
    position = 0
    while position < TOTAL:
        for event in read(position, PAGE):
            seen.append((event.position, event.command_id))
            position = event.position
        if position < TOTAL:
            wait(position)


def test_eight_writers_with_tailing_readers_leave_no_gap_and_no_reader_misses_an_event(tmp_path):
    path = tmp_path / "log"
    with open_activity_log(path, TickingClock()) as log, open_readonly(path) as beside:
        seen: list[list] = [[], [], []]
        notified: list[int] = []

        def append_all(writer: int) -> None:
            for index in range(APPENDS_EACH):
                log.append(envelope(), [write(f"w-{writer}", index)])

        def subscribe() -> None:
            with log.recorder.subscribe(gt=0) as subscription:
                for notification in subscription:
                    notified.append(notification.id)
                    if notification.id == TOTAL:
                        break

        def wait(position: int) -> int:
            return log.wait_beyond(position, 10.0)

        reads = [log.read, log.read, beside.read]
        threads = [threading.Thread(target=append_all, args=(writer,)) for writer in range(WRITERS)]
        threads += [
            threading.Thread(target=follow, args=(read, wait, into))
            for read, into in zip(reads, seen, strict=True)
        ]
        threads.append(threading.Thread(target=subscribe))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log.head() == TOTAL
        assert log.verify().problem is None
    for each in seen:
        assert [position for position, _ in each] == list(range(1, TOTAL + 1))
    assert seen[0] == seen[1] == seen[2]
    assert notified == list(range(1, TOTAL + 1))
