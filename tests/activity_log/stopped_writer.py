"""A writer that stops for good between the lock and the commit. Run with the log's URL."""

import os
import signal
import sys

from infrastructure.activity_log.decision import Head
from infrastructure.activity_log.postgres import PostgresDialect

if __name__ == "__main__":
    session = PostgresDialect(sys.argv[1]).write_session()
    session.begin(Head(0, 0))
    print("holds the head", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
