"""What can have happened to a tenant's access. The key itself is never in the log: only its SHA-256 is."""

from typing import ClassVar

from domain.access.roles import KeyId, Principal, Role
from domain.shared.activity import Event
from domain.shared.ids import Sha256
from domain.shared.times import Instant


class AccessGranted(Event, frozen=True, kw_only=True, gc=False):
    """A key was given out: who holds it acts as this principal, in this role, until it expires."""

    ACTIONS: ClassVar = ("access.granted",)
    key_id: KeyId
    principal: Principal
    role: Role
    secret_sha256: Sha256
    """SHA-256 of the whole key as it was shown once."""
    label: str | None
    """What the key is for, in the words of who gave it."""
    expires_at: Instant | None

    def resource(self) -> tuple[str, str]:
        return "access", self.key_id


class AccessRevoked(Event, frozen=True, kw_only=True, gc=False):
    """A key stopped being one, for good."""

    ACTIONS: ClassVar = ("access.revoked",)
    key_id: KeyId

    def resource(self) -> tuple[str, str]:
        return "access", self.key_id


class AccessDenied(Event, frozen=True, kw_only=True, gc=False):
    """A holder of a key asked for what its role may not: who tried what is part of the record.

    One event stands for all tries of a minute with one key for one operation.
    """

    ACTIONS: ClassVar = ("access.denied",)
    key_id: KeyId
    principal: Principal
    role: Role
    operation: str
    """Method and route, such as `POST /api/v1/system/rebuild`, or a command's type."""
    role_needed: Role

    def resource(self) -> tuple[str, str]:
        return "access", self.key_id
