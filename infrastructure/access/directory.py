"""The directory of API keys: a fold of the log's `access` events, as fresh as the log itself.

A key is looked up in memory. Before that the directory makes sure of its freshness: when the log's head has
moved, or `FRESH_S` after it last asked, it reads the `access` events that are new (one indexed query, shared
by the requests that wait for it). So a revocation holds at once in the process that recorded it, and in the
others as soon as they hear that the head moved, `FRESH_S` later at the latest even if they hear nothing.

When the database is away the last answer is good for `STALE_S` and no longer: then nobody is let in (503),
because a revoked key must not outlive its revocation by an outage.
"""

import hmac
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from anyio import CapacityLimiter, move_on_after, to_thread

from domain.access.events import AccessGranted, AccessRevoked
from domain.shared.activity import RecordedEvent
from infrastructure.access.errors import (
    AccessKeyExpired,
    AccessKeyInvalid,
    AccessKeyRevoked,
    AccessUnchecked,
)
from infrastructure.access.identity import Identity
from infrastructure.access.keys import digest, key_id_of

FRESH_S = 1.0
"""After so long the log is asked again, whatever is known of its head."""
STALE_S = 5.0
"""For so long the last answer is good when the log does not answer."""
PATIENCE_S = 2.0
"""How long one request waits for the log before it looks how old the last answer is."""
RESOURCE_TYPE = "access"
_PAGE = 1_000
_logger = logging.getLogger(__name__)


class AccessLog(Protocol):
    """What the directory needs of the log."""

    def head(self) -> int:
        """The last committed position that this process knows of."""
        ...

    def read_of_type(self, resource_type: str, after: int, limit: int) -> Sequence[RecordedEvent]:
        """The next events about resources of one type, in order of position."""
        ...


@dataclass(slots=True)
class _Entry:
    identity: Identity
    sha256: str
    is_revoked: bool = False


class AccessDirectory:
    """Finds who holds a key. Safe to be asked from several threads and one event loop."""

    def __init__(
        self,
        log: AccessLog,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._now = now
        self._monotonic = monotonic
        self._entries: dict[str, dict[str, _Entry]] = {}
        """Key id → tenant → entry: an id is random, and two tenants' logs may be brought together."""
        self._covered = 0
        """All `access` events up to this position are in the entries."""
        self._asked: float | None = None
        """When the last successful look at the log began."""
        self._lock = threading.Lock()
        self._limiter = CapacityLimiter(2)
        """Looks of its own threads: requests that fill the others' cannot keep anybody out, or in."""

    async def identify(self, key: str) -> Identity:
        """Who holds the key. Raises AccessKeyInvalid, AccessKeyExpired, AccessKeyRevoked, AccessUnchecked."""
        head = self._log.head()
        if not self._is_fresh(head):
            await self._looked(head)
        return self.identity_of(key)

    def identity_of(self, key: str) -> Identity:
        """Who holds the key by what is known already. Raises as `identify`."""
        key_id, sha256 = key_id_of(key), digest(key)
        for entry in tuple(self._entries.get(key_id or "", {}).values()):
            if hmac.compare_digest(entry.sha256, sha256):
                return self._live(entry)
        raise AccessKeyInvalid("no key of this service is like that")

    async def holds(self, identity: Identity) -> bool:
        """Whether a caller that was let in may stay: what goes on for long asks again and again."""
        head = self._log.head()
        try:
            if not self._is_fresh(head):
                await self._looked(head)
            self._live(self._entries[identity.key_id or ""][identity.tenant])
        except (KeyError, AccessKeyExpired, AccessKeyRevoked, AccessUnchecked):
            return False
        return True

    def refresh(self, head: int | None = None) -> None:
        """Read what is new, unless somebody has since `head` was the log's; raises what the log raises."""
        with self._lock:
            wanted = self._log.head() if head is None else head
            if self._is_fresh(wanted):
                return
            began, present = self._monotonic(), max(self._log.head(), wanted)
            for recorded in self._new_events():
                self._take(recorded)
                self._covered = recorded.position
            self._covered = max(self._covered, present)
            self._asked = began

    def _is_fresh(self, head: int) -> bool:
        return self._covered >= head and self._age_s() < FRESH_S

    def _age_s(self) -> float:
        return float("inf") if self._asked is None else self._monotonic() - self._asked

    async def _looked(self, head: int) -> None:
        """Refresh in a thread, without waiting for it longer than patience and staleness allow."""
        try:
            with move_on_after(PATIENCE_S):
                await to_thread.run_sync(self.refresh, head, abandon_on_cancel=True, limiter=self._limiter)
                return
        except Exception as failure:
            _logger.warning("the log did not say which keys hold: %s", failure)
        if self._age_s() > STALE_S:
            raise AccessUnchecked("it could not be looked up whether the key still holds")

    def _new_events(self) -> Iterator[RecordedEvent]:
        after = self._covered
        while page := self._log.read_of_type(RESOURCE_TYPE, after, _PAGE):
            yield from page
            after = page[-1].position
            if len(page) < _PAGE:
                return

    def _take(self, recorded: RecordedEvent) -> None:
        match recorded.event:
            case AccessGranted() as granted:
                identity = Identity(
                    recorded.tenant, granted.principal, granted.role, granted.key_id, granted.expires_at
                )
                entry = _Entry(identity, granted.secret_sha256)
                self._entries.setdefault(granted.key_id, {})[recorded.tenant] = entry
            case AccessRevoked(key_id=key_id) if recorded.tenant in self._entries.get(key_id, {}):
                self._entries[key_id][recorded.tenant].is_revoked = True
            case _:
                return

    def _live(self, entry: _Entry) -> Identity:
        identity = entry.identity
        if entry.is_revoked:
            raise AccessKeyRevoked(f"the key {identity.key_id} was revoked")
        if identity.expires_at is not None and self._now() >= identity.expires_at:
            raise AccessKeyExpired(f"the key {identity.key_id} expired at {identity.expires_at.isoformat()}")
        return identity
