"""The first operator of a tenant, written straight into its log: whoever can reach the database may."""

import hashlib
import re
from uuid import uuid4

import msgspec

from application.ports import ActivityLog, StreamWrite
from domain.access import decider
from domain.access.commands import GrantAccess
from domain.shared.activity import Actor, Envelope
from domain.shared.errors import CommandMalformed, StreamConflict
from infrastructure.access.keys import new_key
from infrastructure.activity_log.system_clock import SystemClock

REASON = "the first key of the tenant"
_TENANT = re.compile("[a-z0-9][a-z0-9-]{0,62}")
_ATTEMPTS = 3


def bootstrap(log: ActivityLog, tenant: str, principal: str) -> str:
    """A new operator key, to be shown once, for a tenant that has no live one.

    Raises AccessBootstrapped if it has (also when somebody else was faster), CommandMalformed.
    """
    if not _TENANT.fullmatch(tenant):
        raise CommandMalformed(f"{tenant!r} is no tenant's name: 1 to 63 of a-z, 0-9 and '-'")
    key = new_key()
    command = _command(key_id=key.key_id, principal=principal, secret_sha256=key.sha256)
    for _ in range(_ATTEMPTS - 1):
        try:
            _append(log, tenant, command)
        except StreamConflict:
            continue
        return key.text
    _append(log, tenant, command)
    return key.text


def _append(log: ActivityLog, tenant: str, command: GrantAccess) -> None:
    stream = decider.stream(tenant)
    loaded = log.load(tenant, stream, decider.INITIAL, decider.evolve)
    events = decider.bootstrap(loaded.state, command, SystemClock().now())
    log.append(_envelope(tenant, command), [StreamWrite(stream, loaded.version, events)])


def _command(**fields: str) -> GrantAccess:
    try:
        return msgspec.convert({**fields, "role": "operator", "label": "bootstrap"}, GrantAccess)
    except msgspec.ValidationError as error:
        raise CommandMalformed(str(error)) from None


def _envelope(tenant: str, command: GrantAccess) -> Envelope:
    command_id = uuid4()
    return Envelope(
        tenant=tenant,
        actor=Actor(principal=command.principal, method="bootstrap"),
        command_id=command_id,
        body_hash=hashlib.sha256(msgspec.json.encode([command.TYPE, command])).digest(),
        correlation_id=command_id,
        reason=REASON,
    )
