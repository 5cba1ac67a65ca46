"""Rule 20: every denied permission is an event; a client that is denied in a loop makes one a minute."""

import logging
import threading
import time
from collections.abc import Callable

from application.bus import Bus, Sender
from domain.access.commands import RecordDenial
from domain.access.roles import Role
from infrastructure.access.identity import Identity

ONE_IN_S = 60.0
"""One event for each key and operation in so long, in each process."""
_REMEMBERED_MAX = 10_000
_logger = logging.getLogger(__name__)


class Denials:
    """Records what holders of keys were denied. Strangers (401) leave none: they could fill the log."""

    def __init__(self, bus: Bus, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._monotonic = monotonic
        self._last: dict[tuple[str, str, str], float] = {}
        self._lock = threading.Lock()

    def record(self, identity: Identity, operation: str, needed: Role) -> None:
        """Record it if its minute has none; blocks. Whether the log can take it is nothing to the client."""
        if identity.key_id is None or not self._is_due((identity.tenant, identity.key_id, operation)):
            return
        command = RecordDenial(key_id=identity.key_id, operation=operation, role_needed=needed)
        try:
            self._bus.send(command, Sender(tenant=identity.tenant, actor=identity.actor))
        except Exception:
            _logger.exception("a denial of the key %s was not recorded: %s", identity.key_id, operation)

    def _is_due(self, denied: tuple[str, str, str]) -> bool:
        now = self._monotonic()
        with self._lock:
            last = self._last.get(denied)
            if last is not None and now - last < ONE_IN_S:
                return False
            if len(self._last) >= _REMEMBERED_MAX:
                self._last = {one: at for one, at in self._last.items() if now - at < ONE_IN_S}
            if len(self._last) >= _REMEMBERED_MAX:
                return False
            self._last[denied] = now
            return True
