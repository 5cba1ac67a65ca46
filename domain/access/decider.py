"""Decisions about a tenant's keys: one stream a tenant, one small machine a key.

(none) ──granted──> live ──revoked──> revoked (final)        A live key is dead from `expires_at` on; no event
                     └──denied*──> live                       says so, because every reader has a clock.
"""

from datetime import datetime

import msgspec

from domain.access.commands import GrantAccess, RecordDenial
from domain.access.errors import AccessBootstrapped, AccessExpiryPast, AccessKeyExists, AccessKeyUnknown
from domain.access.events import AccessDenied, AccessGranted, AccessRevoked
from domain.shared.activity import Event, StreamKey


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key as decisions need it."""

    granted: AccessGranted
    revoked: bool = False

    def is_live(self, now: datetime) -> bool:
        """Whether it opens anything at this moment."""
        expires_at = self.granted.expires_at
        return not self.revoked and (expires_at is None or now < expires_at)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """All keys that a tenant has ever given out, by id."""

    keys: dict[str, Key] = {}


INITIAL = State()


def stream(tenant: str) -> StreamKey:
    """The stream of a tenant's access."""
    return StreamKey("access", tenant)


def existing(state: State, key_id: str) -> Key:
    """A key; raises AccessKeyUnknown."""
    key = state.keys.get(key_id)
    if key is None:
        raise AccessKeyUnknown(f"there is no key {key_id}")
    return key


def grant(state: State, command: GrantAccess, now: datetime) -> tuple[Event, ...]:
    """Give out a new key."""
    known = {key.granted.secret_sha256 for key in state.keys.values()}
    if command.key_id in state.keys or command.secret_sha256 in known:
        raise AccessKeyExists(f"the key {command.key_id} or its secret was given out before")
    if command.expires_at is not None and command.expires_at <= now:
        raise AccessExpiryPast(f"{command.expires_at.isoformat()} is not later than {now.isoformat()}")
    return (
        AccessGranted(
            key_id=command.key_id,
            principal=command.principal,
            role=command.role,
            secret_sha256=command.secret_sha256,
            label=command.label,
            expires_at=command.expires_at,
        ),
    )


def bootstrap(state: State, command: GrantAccess, now: datetime) -> tuple[Event, ...]:
    """Give out the first key of a tenant that has no live operator key."""
    for key_id, key in state.keys.items():
        if key.granted.role == "operator" and key.is_live(now):
            raise AccessBootstrapped(f"{key.granted.principal} has the live operator key {key_id}")
    return grant(state, command, now)


def revoke(state: State, key_id: str) -> tuple[Event, ...]:
    """End a key; revoked already: nothing. The last operator key may go too: a stolen one has to."""
    return () if existing(state, key_id).revoked else (AccessRevoked(key_id=key_id),)


def deny(state: State, command: RecordDenial) -> tuple[Event, ...]:
    """Keep a refusal of a key that was given out."""
    granted = existing(state, command.key_id).granted
    return (
        AccessDenied(
            key_id=command.key_id,
            principal=granted.principal,
            role=granted.role,
            operation=command.operation,
            role_needed=command.role_needed,
        ),
    )


def evolve(state: State, event: Event) -> State:
    """Fold one event; total and never raising. A denial changes nothing."""
    match event:
        case AccessGranted():
            return State(keys={**state.keys, event.key_id: Key(granted=event)})
        case AccessRevoked() if event.key_id in state.keys:
            ended = Key(granted=state.keys[event.key_id].granted, revoked=True)
            return State(keys={**state.keys, event.key_id: ended})
        case _:
            return state
