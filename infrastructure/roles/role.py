"""What every role can do, so that one runner starts, watches and ends them all."""

from typing import Any, Protocol

import msgspec


class RoleStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a role stands; `/health` and `/ready` show it."""

    ready: bool
    """It does its work: connected, caught up far enough, the active one or a standby that waits its turn."""
    detail: str
    """One sentence for who operates it."""
    facts: dict[str, Any] = {}
    """Figures: positions, lags, owners."""


class Role(Protocol):
    """A part that works in threads of its own between `start` and `stop`."""

    def start(self) -> None:
        """Begin; returns when the work has begun, not when it is done."""
        ...

    def status(self) -> RoleStatus:
        """How it stands; quick, and safe from any thread."""
        ...

    def stop(self) -> None:
        """End in order: finish what is in hand, commit it, leave the group; twice is once."""
        ...

    @property
    def failure(self) -> BaseException | None:
        """What ended the work for good, if something did: the process then exits with an error."""
        ...
