"""Fresh identities from the operating system's randomness."""

import secrets
import threading
import time
from uuid import UUID, uuid4

from domain.shared.ids import uuid7

_TAIL_BITS = 74


class SystemIds:
    """Run ids ascend within a process: equal milliseconds count on from the id before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def run_id(self) -> str:
        """A new UUIDv7 in lower case."""
        with self._lock:
            fresh = (time.time_ns() // 1_000_000) << _TAIL_BITS | secrets.randbits(_TAIL_BITS)
            self._last = max(fresh, self._last + 1)
            tail = self._last & (1 << _TAIL_BITS) - 1
            return str(uuid7(self._last >> _TAIL_BITS, tail))

    def command_id(self) -> UUID:
        """A new random command id."""
        return uuid4()
