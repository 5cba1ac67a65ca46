"""Follows the head of a log that several processes append to: one LISTEN connection a process."""

import logging
import os
import select
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
from psycopg.pq import ExecStatus

from infrastructure.activity_log.postgres_statements import CHANNEL, HEAD

RETRY_S = 0.5
PULSE_S = 5.0
"""So long without a word, the head is asked for; so long without an answer, the connection is given up."""

_logger = logging.getLogger(__name__)


class HeadFollower:
    """A thread that listens, asks for the head after each (re)connect, and again when all is silent."""

    def __init__(
        self, connect: Callable[[], psycopg.Connection[Any]], advance: Callable[[int], None]
    ) -> None:
        """`advance` is told every position; it may be told one twice or an older one."""
        self._connect = connect
        self._advance = advance
        self._closing = threading.Event()
        self._wake_reading, self._wake_writing = os.pipe()
        self._thread = threading.Thread(target=self._run, name="activity-log-listener", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with closing(self._connect()) as connection:
                    self._follow(connection)
            except psycopg.Error as error:
                _logger.warning("the log's listener reconnects: %s", error)
                self._closing.wait(RETRY_S)

    def _follow(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        self._ask(connection)
        while not self._closing.is_set():
            if not self._heard(connection, PULSE_S):
                self._ask(connection)

    def _heard(self, connection: psycopg.Connection[Any], seconds: float) -> bool:
        """Wait for input and pass on what came; False if nothing did."""
        ready, _, _ = select.select([connection.fileno(), self._wake_reading], [], [], seconds)
        if connection.fileno() in ready:
            connection.pgconn.consume_input()
            self._pass_on(connection)
        return bool(ready)

    def _pass_on(self, connection: psycopg.Connection[Any]) -> None:
        heads = []
        while told := connection.pgconn.notifies():
            heads.append(int(told.extra))
        if heads:
            self._advance(max(heads))

    def _ask(self, connection: psycopg.Connection[Any]) -> None:
        """Ask for the head; raises OperationalError if no answer comes: the network swallows everything."""
        wire = connection.pgconn
        wire.send_query(HEAD.encode())
        while wire.is_busy():
            if self._closing.is_set():
                return
            if not self._heard(connection, PULSE_S):
                raise psycopg.OperationalError("the server does not answer")
        while result := wire.get_result():
            if result.status != ExecStatus.TUPLES_OK:
                raise psycopg.OperationalError("the head cannot be read")
            self._advance(int(result.get_value(0, 0) or 0))
        self._pass_on(connection)

    def close(self) -> None:
        """End the thread and its connection."""
        self._closing.set()
        os.write(self._wake_writing, b".")
        self._thread.join()
        os.close(self._wake_reading)
        os.close(self._wake_writing)
