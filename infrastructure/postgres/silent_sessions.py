"""Sessions whose client says nothing in the middle of a transaction: its process is frozen.

The server's own limit, `idle_in_transaction_session_timeout`, counts between commands, but not between the
messages of a pipeline or the pieces of a COPY, where such a session would keep its locks for ever.
"""

import logging
import time
from typing import Any

import psycopg

SILENCE_S = 2.0
_SAMPLE_S = 1.0
_WAITING = """
SELECT activity.pid, activity.backend_start, activity.state_change, copying.bytes_processed
FROM pg_stat_activity AS activity LEFT JOIN pg_stat_progress_copy AS copying USING (pid)
WHERE activity.datname = current_database() AND activity.usename = current_user
AND activity.pid <> pg_backend_pid() AND activity.xact_start IS NOT NULL
AND activity.state = 'active' AND activity.wait_event = 'ClientRead'
AND activity.state_change < clock_timestamp() - make_interval(secs => %s)
"""
_logger = logging.getLogger(__name__)


def end_silent_sessions(connection: psycopg.Connection[Any], silence_s: float = SILENCE_S) -> int:
    """End those of our role in this database that said nothing for so long; returns how many. Takes 1 s.

    For one who waited in vain for a lock. `connection` must be in autocommit mode and outside a transaction.
    """
    first = set(connection.execute(_WAITING, (silence_s,)).fetchall())
    if not first:
        return 0
    time.sleep(_SAMPLE_S)  # one that goes on has sent something by then
    silent = [row[0] for row in first.intersection(connection.execute(_WAITING, (silence_s,)).fetchall())]
    for pid in silent:
        connection.execute("SELECT pg_terminate_backend(%s, 1000)", (pid,))
    if silent:
        _logger.warning("ended %d database sessions whose processes are frozen", len(silent))
    return len(silent)
