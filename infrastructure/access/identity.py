"""Who sends a request: the only source of its tenant, its principal and its role."""

from dataclasses import dataclass
from datetime import datetime

from domain.access.roles import Role
from domain.shared.activity import Actor


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller that was let in. Nothing in a body or an address ever changes it."""

    tenant: str
    principal: str
    role: Role
    key_id: str | None = None
    """The API key that proved it; None: the embedded service, which only its own machine can reach."""
    expires_at: datetime | None = None

    @property
    def method(self) -> str:
        """How it was authenticated, as events say it."""
        return "local" if self.key_id is None else "api_key"

    @property
    def actor(self) -> Actor:
        """Who acts, for the envelope of what is recorded."""
        return Actor(principal=self.principal, method=self.method)
