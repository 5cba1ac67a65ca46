"""The directory of keys: as fresh as the log, shut when it cannot know, and one query for all who wait."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from application.bus import Bus, Sender
from domain.access.commands import GrantAccess, RevokeAccess
from domain.shared.activity import Actor, RecordedEvent
from infrastructure.access import directory as module
from infrastructure.access.denials import ONE_IN_S, Denials
from infrastructure.access.directory import FRESH_S, STALE_S, AccessDirectory
from infrastructure.access.errors import (
    AccessKeyExpired,
    AccessKeyInvalid,
    AccessKeyRevoked,
    AccessUnchecked,
)
from infrastructure.access.identity import Identity
from infrastructure.access.keys import NewKey, digest, key_id_of, new_key
from tests.support.desk import Desk

BOSS = Sender(tenant="acme", actor=Actor(principal="p_boss"), reason="a test")


class SlowlyToldLog:
    """The desk's log as another process sees it: the head is known late, and the database may be away."""

    def __init__(self, desk: Desk) -> None:
        self.log = desk.log
        self.known_head: int | None = None
        self.failure: Exception | None = None
        self.hangs: threading.Event | None = None
        self.queries = 0

    def head(self) -> int:
        return self.log.head() if self.known_head is None else self.known_head

    def read_of_type(self, resource_type: str, after: int, limit: int) -> Sequence[RecordedEvent]:
        self.queries += 1
        if self.hangs is not None:
            self.hangs.wait(20)
        if self.failure is not None:
            raise self.failure
        return self.log.read_of_type(resource_type, after, limit)


class Hours:
    """Both clocks of the directory."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return datetime(2026, 3, 14, tzinfo=UTC) + timedelta(seconds=self.at)


@pytest.fixture
def desk(tmp_path: Path):
    with Desk(tmp_path) as one:
        yield one


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def log(desk: Desk) -> SlowlyToldLog:
    return SlowlyToldLog(desk)


@pytest.fixture
def directory(log: SlowlyToldLog, hours: Hours) -> AccessDirectory:
    return AccessDirectory(log, now=hours.now, monotonic=hours.monotonic)


def granted(bus: Bus, tenant: str = "acme", key: NewKey | None = None, **fields: Any) -> str:
    key = key or new_key()
    command = GrantAccess(
        key_id=key.key_id, principal="p_ada", role="writer", secret_sha256=key.sha256, **fields
    )
    bus.send(command, Sender(tenant=tenant, actor=BOSS.actor))
    return key.text


def revoke(bus: Bus, key: str) -> None:
    bus.send(RevokeAccess(key_id=key_id_of(key) or ""), BOSS)


def identify(directory: AccessDirectory, key: str) -> Identity:
    return anyio.run(directory.identify, key)


def test_a_key_says_its_id_and_is_never_shown_by_itself():
    key = new_key()
    assert key_id_of(key.text) == key.key_id
    assert key.text.startswith(f"optaic_{key.key_id}_")
    assert len(key.text) == 67
    assert key.text not in repr(key)
    assert key.sha256 == digest(key.text)
    assert new_key().text != key.text


@pytest.mark.parametrize("text", ["", "optaic_", "optaic_0123456789abcdef_short", "x" * 67, "optaic_\n"])
def test_what_is_no_key_has_no_id(text: str):
    assert key_id_of(text) is None


def test_a_key_says_tenant_principal_and_role(desk: Desk, directory: AccessDirectory):
    key = granted(desk.bus, tenant="zeta")
    found = identify(directory, key)
    assert (found.tenant, found.principal, found.role, found.method) == ("zeta", "p_ada", "writer", "api_key")
    assert found.key_id == key_id_of(key)


def test_another_secret_under_a_known_id_opens_nothing(desk: Desk, directory: AccessDirectory):
    key = granted(desk.bus)
    guess = f"optaic_{key_id_of(key)}_{new_key().text[-43:]}"
    with pytest.raises(AccessKeyInvalid):
        identify(directory, guess)


def test_one_key_id_in_two_tenants_stays_two_keys(desk: Desk, directory: AccessDirectory):
    """An import may bring it about: neither opens or ends the other."""
    ours, theirs = new_key(), new_key()
    theirs = NewKey(ours.key_id, theirs.text.replace(theirs.key_id, ours.key_id))
    granted(desk.bus, "acme", ours)
    granted(desk.bus, "zeta", theirs)
    revoke(desk.bus, ours.text)
    assert identify(directory, theirs.text).tenant == "zeta"
    with pytest.raises(AccessKeyRevoked):
        identify(directory, ours.text)


def test_a_revocation_holds_at_once_where_the_head_is_known(desk: Desk, directory: AccessDirectory):
    key = granted(desk.bus)
    identity = identify(directory, key)
    assert anyio.run(directory.holds, identity)
    revoke(desk.bus, key)
    with pytest.raises(AccessKeyRevoked):
        identify(directory, key)
    assert not anyio.run(directory.holds, identity)


def test_a_key_ends_by_itself(desk: Desk, directory: AccessDirectory, hours: Hours):
    key = granted(desk.bus, expires_at=hours.now() + timedelta(days=300))
    identity = identify(directory, key)
    hours.at += timedelta(days=300).total_seconds()
    with pytest.raises(AccessKeyExpired):
        identify(directory, key)
    assert not anyio.run(directory.holds, identity)


def test_nothing_is_asked_while_the_head_stands(desk: Desk, directory: AccessDirectory, log: SlowlyToldLog):
    key = granted(desk.bus)
    identify(directory, key)
    before = log.queries
    for _ in range(50):
        identify(directory, key)
    assert log.queries == before


def test_a_process_that_hears_of_no_revocation_asks_by_itself(
    desk: Desk, directory: AccessDirectory, log: SlowlyToldLog, hours: Hours
):
    key = granted(desk.bus)
    identify(directory, key)
    log.known_head = desk.log.head()
    revoke(desk.bus, key)
    assert identify(directory, key).principal == "p_ada", "nobody told this process, and it asked just now"
    hours.at += FRESH_S
    with pytest.raises(AccessKeyRevoked):
        identify(directory, key)


def test_while_the_database_is_away_the_last_answer_is_good_for_a_while_and_no_longer(
    desk: Desk, directory: AccessDirectory, log: SlowlyToldLog, hours: Hours
):
    key = granted(desk.bus)
    identity = identify(directory, key)
    log.failure = OSError("the database is away")
    hours.at += STALE_S
    assert identify(directory, key) == identity
    hours.at += 0.001
    with pytest.raises(AccessUnchecked):
        identify(directory, key)
    assert not anyio.run(directory.holds, identity)
    log.failure = None
    assert identify(directory, key) == identity


def test_a_directory_that_never_reached_the_database_lets_nobody_in(
    desk: Desk, directory: AccessDirectory, log: SlowlyToldLog
):
    key = granted(desk.bus)
    log.failure = OSError("the database is away")
    with pytest.raises(AccessUnchecked):
        identify(directory, key)


def test_a_database_that_hangs_holds_nobody_longer_than_patience(
    desk: Desk,
    directory: AccessDirectory,
    log: SlowlyToldLog,
    hours: Hours,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    key = granted(desk.bus)
    identify(directory, key)
    log.hangs = threading.Event()
    hours.at += STALE_S + 1
    began = time.monotonic()

    async def asked() -> None:
        with pytest.raises(AccessUnchecked):
            await directory.identify(key)
        held = time.monotonic() - began
        assert held < 5
        assert log.hangs is not None
        log.hangs.set()

    anyio.run(asked)


def test_requests_that_wait_for_the_same_answer_share_a_query(
    desk: Desk, directory: AccessDirectory, log: SlowlyToldLog
):
    key = granted(desk.bus)
    identify(directory, key)
    granted(desk.bus)
    before = log.queries

    async def many() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(directory.identify, key)

    anyio.run(many)
    assert log.queries == before + 1


def test_many_keys_are_read_page_by_page(desk: Desk, directory: AccessDirectory, monkeypatch):
    monkeypatch.setattr(module, "_PAGE", 3)
    keys = [granted(desk.bus) for _ in range(8)]
    assert len({identify(directory, key).key_id for key in keys}) == 8


def test_threads_may_refresh_at_once(desk: Desk, directory: AccessDirectory):
    keys = [granted(desk.bus) for _ in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: directory.refresh(), range(50)))
    assert all(directory.identity_of(key).principal == "p_ada" for key in keys)


# --- denials


def denied(desk: Desk) -> list[tuple[str, str]]:
    return [
        (one.event.operation, one.actor.principal)  # type: ignore[union-attr]
        for one in desk.log.read_of_type("access", 0, 1000)
        if one.action == "access.denied"
    ]


def test_one_denial_a_minute_is_recorded_for_each_key_and_operation(desk: Desk, hours: Hours):
    denials = Denials(desk.bus, hours.monotonic)
    first, second = (Identity("acme", "p_ada", "writer", key_id_of(granted(desk.bus))) for _ in range(2))
    for _ in range(100):
        denials.record(first, "POST /a", "operator")
        denials.record(first, "POST /b", "operator")
        denials.record(second, "POST /a", "operator")
    assert sorted(denied(desk)) == [("POST /a", "p_ada"), ("POST /a", "p_ada"), ("POST /b", "p_ada")]
    hours.at += ONE_IN_S
    denials.record(first, "POST /a", "operator")
    assert len(denied(desk)) == 4


def test_a_denial_that_cannot_be_recorded_is_said_and_nothing_more(
    desk: Desk, caplog: pytest.LogCaptureFixture
):
    stranger = Identity("acme", "p_ada", "writer", "0" * 16)
    Denials(desk.bus).record(stranger, "POST /a", "operator")
    assert "was not recorded" in caplog.text
    assert denied(desk) == []


def test_the_memory_of_denials_is_bounded(desk: Desk, hours: Hours, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("infrastructure.access.denials._REMEMBERED_MAX", 3)
    denials = Denials(desk.bus, hours.monotonic)
    identity = Identity("acme", "p_ada", "writer", key_id_of(granted(desk.bus)))
    for number in range(10):
        denials.record(identity, f"POST /{number}", "operator")
    assert len(denied(desk)) == 3
    hours.at += ONE_IN_S
    denials.record(identity, "POST /again", "operator")
    assert len(denied(desk)) == 4
