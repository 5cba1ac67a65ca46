"""Access: given these events of a tenant's keys, when this is decided, then those events or that refusal."""

from datetime import timedelta
from functools import reduce
from typing import Any, get_args

import pytest
from hypothesis import given as hypothesis
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.access import decider
from domain.access.commands import GrantAccess, RecordDenial
from domain.access.errors import AccessBootstrapped, AccessExpiryPast, AccessKeyExists, AccessKeyUnknown
from domain.access.events import AccessDenied, AccessGranted, AccessRevoked
from domain.access.roles import Role, includes
from tests.support.events import any_event
from tests.support.given_when_then import Given
from tests.support.valid import NOW, digest

given = Given(decider.INITIAL, decider.evolve)
KEY, OTHER = "0123456789abcdef", "fedcba9876543210"
LATER = NOW + timedelta(days=90)


def wish(**changes: Any) -> GrantAccess:
    valid = GrantAccess(
        key_id=KEY, principal="p_ada", role="operator", secret_sha256=digest("key"), label="laptop"
    )
    return replace(valid, **changes)


def granted(**changes: Any) -> AccessGranted:
    valid = AccessGranted(
        key_id=KEY,
        principal="p_ada",
        role="operator",
        secret_sha256=digest("key"),
        label="laptop",
        expires_at=None,
    )
    return replace(valid, **changes)


def test_a_key_is_granted():
    given().when(lambda state: decider.grant(state, wish(), NOW)).then(granted())


def test_a_grant_may_expire():
    given().when(lambda state: decider.grant(state, wish(expires_at=LATER), NOW)).then(
        granted(expires_at=LATER)
    )


@pytest.mark.parametrize("at", [NOW, NOW - timedelta(microseconds=1)])
def test_a_grant_that_has_expired_already_is_refused(at):
    given().when(lambda state: decider.grant(state, wish(expires_at=at), NOW)).refused(AccessExpiryPast)


@pytest.mark.parametrize("more", [(), (AccessRevoked(key_id=KEY),)])
def test_neither_the_id_nor_the_secret_of_a_key_is_used_again(more):
    history = given(granted(), *more)
    same_id = wish(secret_sha256=digest("another"))
    same_secret = wish(key_id=OTHER)
    for command in (same_id, same_secret):
        history.when(lambda state, asked=command: decider.grant(state, asked, NOW)).refused(AccessKeyExists)


def test_the_first_operator_is_bootstrapped():
    given().when(lambda state: decider.bootstrap(state, wish(), NOW)).then(granted())


def test_a_tenant_with_a_live_operator_key_is_not_bootstrapped_again():
    command = wish(key_id=OTHER, secret_sha256=digest("another"))
    for live in (granted(), granted(expires_at=LATER)):
        given(live).when(lambda state: decider.bootstrap(state, command, NOW)).refused(
            AccessBootstrapped, "p_ada"
        )


@pytest.mark.parametrize(
    "history",
    [
        (granted(), AccessRevoked(key_id=KEY)),
        (granted(expires_at=NOW),),
        (granted(role="writer"),),
        (granted(role="reader"),),
    ],
    ids=["revoked", "expired", "a writer only", "a reader only"],
)
def test_a_tenant_whose_operator_keys_are_dead_is_bootstrapped_again(history):
    command = wish(key_id=OTHER, secret_sha256=digest("another"))
    given(*history).when(lambda state: decider.bootstrap(state, command, NOW)).then(
        granted(key_id=OTHER, secret_sha256=digest("another"))
    )


def test_a_key_is_revoked_once():
    given(granted()).when(lambda state: decider.revoke(state, KEY)).then(AccessRevoked(key_id=KEY))
    given(granted(), AccessRevoked(key_id=KEY)).when(lambda state: decider.revoke(state, KEY)).then()


def test_a_key_that_nobody_was_given_cannot_be_revoked():
    given(granted()).when(lambda state: decider.revoke(state, OTHER)).refused(AccessKeyUnknown, OTHER)


def test_a_denial_says_who_tried_what_and_what_it_needs():
    command = RecordDenial(key_id=KEY, operation="POST /api/v1/system/rebuild", role_needed="operator")
    given(granted(role="writer")).when(lambda state: decider.deny(state, command)).then(
        AccessDenied(
            key_id=KEY,
            principal="p_ada",
            role="writer",
            operation="POST /api/v1/system/rebuild",
            role_needed="operator",
        )
    )


def test_a_denial_of_an_unknown_key_is_refused():
    command = RecordDenial(key_id=KEY, operation="x", role_needed="writer")
    given().when(lambda state: decider.deny(state, command)).refused(AccessKeyUnknown)


def test_a_denial_changes_no_key():
    denied = AccessDenied(
        key_id=KEY, principal="p_ada", role="operator", operation="x", role_needed="operator"
    )
    assert given(granted(), denied).state == given(granted()).state


def test_a_key_is_dead_from_the_moment_that_it_expires():
    key = decider.Key(granted=granted(expires_at=LATER))
    assert key.is_live(LATER - timedelta(microseconds=1))
    assert not key.is_live(LATER)


def test_roles_include_those_before_them():
    roles: tuple[Role, ...] = get_args(Role)
    held = {(role, needed) for role in roles for needed in roles if includes(role, needed)}
    assert held == {
        ("reader", "reader"),
        *(("writer", needed) for needed in ("reader", "writer")),
        *(("operator", needed) for needed in roles),
    }


@hypothesis(st.lists(any_event(AccessGranted) | any_event(AccessRevoked), max_size=8))
def test_a_key_is_live_only_after_its_grant_and_never_after_its_revocation(events):
    state = reduce(decider.evolve, events, decider.INITIAL)
    for key_id, key in state.keys.items():
        own = [event for event in events if event.key_id == key_id]
        assert own
        if isinstance(own[-1], AccessRevoked):
            assert not key.is_live(NOW)
        assert key.granted in own
