"""Use cases of access: who may come in, and what they were refused."""

from application.context import Context, write
from application.ports import Loaded, Outcome
from domain.access import decider
from domain.access.commands import GrantAccess, RecordDenial, RevokeAccess


def grant_access(command: GrantAccess, context: Context) -> Outcome:
    """Give out a key."""
    loaded = _load(context)
    events = decider.grant(loaded.state, command, context.services.clock.now())
    return context.append(write(decider.stream(context.tenant), loaded, events))


def revoke_access(command: RevokeAccess, context: Context) -> Outcome:
    """End a key."""
    loaded = _load(context)
    return context.append(
        write(decider.stream(context.tenant), loaded, decider.revoke(loaded.state, command.key_id))
    )


def record_denial(command: RecordDenial, context: Context) -> Outcome:
    """Keep that a key was used for what its role may not."""
    loaded = _load(context)
    return context.append(write(decider.stream(context.tenant), loaded, decider.deny(loaded.state, command)))


def _load(context: Context) -> Loaded[decider.State]:
    return context.load(decider.stream(context.tenant), decider.INITIAL, decider.evolve)
