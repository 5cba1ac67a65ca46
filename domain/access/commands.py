"""What can be asked of a tenant's access. All three are the service's own: `POST /commands` and Kafka refuse
them, because a writer must not make itself an operator.
"""

from typing import Annotated, ClassVar

import msgspec

from domain.access.roles import KeyId, Principal, Role
from domain.shared.command import Command
from domain.shared.ids import Sha256
from domain.shared.times import Instant

Label = Annotated[str, msgspec.Meta(max_length=200)]


class GrantAccess(Command, frozen=True, kw_only=True):
    """Give out a key. `POST /access/keys` makes the key and sends this with its hash."""

    TYPE: ClassVar = "grant_access"
    INTERNAL: ClassVar = True
    key_id: KeyId
    principal: Principal
    role: Role
    secret_sha256: Sha256
    label: Label | None = None
    expires_at: Instant | None = None
    """Default: it does not expire."""


class RevokeAccess(Command, frozen=True, kw_only=True):
    """End a key for good, at once. `POST /access/keys/{key_id}/revoke` sends it. Needs a reason."""

    TYPE: ClassVar = "revoke_access"
    INTERNAL: ClassVar = True
    NEEDS_REASON: ClassVar = True
    key_id: KeyId


class RecordDenial(Command, frozen=True, kw_only=True):
    """Keep that a key was used for what its role may not; sent by the layer that refused it."""

    TYPE: ClassVar = "record_denial"
    INTERNAL: ClassVar = True
    key_id: KeyId
    operation: Annotated[str, msgspec.Meta(max_length=300)]
    role_needed: Role
