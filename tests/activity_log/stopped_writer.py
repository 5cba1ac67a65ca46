"""A writer that stops for good while it has the lock. Run with the log's URL.

Between two statements of its transaction; or, with the failpoint `log.with_lock=freeze`, between two messages
of one pipeline, which a writer uses once it saw that others append.
"""

import os
import signal
import sys

from infrastructure import failpoints
from infrastructure.activity_log import open_postgres_log
from infrastructure.activity_log.decision import Head
from infrastructure.activity_log.postgres import PostgresDialect
from tests.activity_log.scenes import TickingClock, envelope, write

if __name__ == "__main__":
    if os.environ.get(failpoints.VARIABLE):
        with open_postgres_log(sys.argv[1], TickingClock()) as log:
            log.append(envelope("first"), [write("first")])
            print("appended", flush=True)
            sys.stdin.readline()
            for number in range(3):
                log.append(envelope(f"frozen {number}"), [write(f"frozen-{number}")])
    else:
        session = PostgresDialect(sys.argv[1]).write_session()
        session.begin(Head(0, 0))
        print("holds the head", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
