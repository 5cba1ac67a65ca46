"""A turn: of all processes that ask for it one has it, for as long as its database session lives."""

import hashlib
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import psycopg

from infrastructure.postgres.connections import connect_arguments, libpq_url


def lock_number(name: str) -> int:
    """The 63-bit number of the advisory lock of a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


class Turn:
    """An advisory lock held by a session of its own: a process that dies or loses its session loses it.

    A session that is cut may be thought to be held for a moment longer than it is, so whatever the turn
    protects is fenced too; the turn only keeps two from working against each other.
    """

    def __init__(self, database_url: str, name: str, *, silence_s: float | None = None) -> None:
        """`silence_s`: a holder that is silent for so long loses the turn (frozen, say); None: never."""
        self._url = libpq_url(database_url)
        self._settings = {} if silence_s is None else {"idle_session_timeout": str(int(silence_s * 1000))}
        self._number = lock_number(name)
        self.name = name
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether it is ours now. Raises psycopg.OperationalError if the database cannot be reached."""
        with self._lock:
            if self._connection is None:
                arguments = connect_arguments(f"optaic-mlops turn {self.name}", None, self._settings)
                self._connection = psycopg.connect(self._url, autocommit=True, **arguments)
            try:
                row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", (self._number,)).fetchone()
            except psycopg.Error:
                self._drop()
                raise
            if row is None or not row[0]:
                self._drop()
                return False
            return True

    def is_held(self) -> bool:
        """Whether the session still lives; asks the database."""
        with self._lock:
            if self._connection is None:
                return False
            try:
                self._connection.execute("SELECT 1")
            except psycopg.Error:
                self._drop()
                return False
            return True

    def release(self) -> None:
        """Let another process have it at once (a session that is only closed ends a moment later); twice is
        once.
        """
        with self._lock:
            if self._connection is not None:
                with suppress(psycopg.Error):
                    self._connection.execute("SELECT pg_advisory_unlock_all()")
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
