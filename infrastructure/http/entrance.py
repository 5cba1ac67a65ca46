"""Two ways in, one in front of each service: the embedded one trusts its own machine, the other one keys.

Keys need no check of `Host` or `Origin`. Those checks stop a page elsewhere from riding on what a browser
adds by itself; nothing adds an API key by itself, and what is open without a key changes nothing and shows
nothing of any tenant.
"""

from collections.abc import Mapping, Sequence
from typing import NoReturn, Protocol

from anyio import to_thread
from starlette.routing import BaseRoute
from starlette.types import Scope

from domain.access.roles import Role, includes
from infrastructure.access.denials import Denials
from infrastructure.access.directory import AccessDirectory
from infrastructure.access.errors import AccessKeyMissing, AccessRoleMissing, AccessRouteClosed
from infrastructure.access.identity import Identity
from infrastructure.http.errors import HostNotAllowed, OriginNotAllowed
from infrastructure.http.route_roles import ROUTE_NEEDS, Need, operation_of
from infrastructure.settings import Settings

NAMES = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine that a `Host` header may carry."""
READING = ("GET", "HEAD", "OPTIONS")
NOWHERE = "nothing"
"""The operation of a request that reaches no route: whoever has a key is told so (404, 405)."""
Headers = Mapping[bytes, str]


class Entrance(Protocol):
    """Decides of a request, before anything else sees it, who sends it and whether it may come in."""

    async def enter(self, scope: Scope, headers: Headers) -> Identity | None:
        """Who sends it; None where nobody has to say. Raises the RuleBroken that keeps it out."""
        ...

    def require(self, identity: Identity, needed: Role, operation: str) -> None:
        """What a route finds out later: this needs another role. Blocks. Raises AccessRoleMissing."""
        ...

    async def holds(self, identity: Identity) -> bool:
        """Whether who came in may stay; what lasts (a stream) asks again."""
        ...


class OwnMachine:
    """The embedded service: whoever is on this machine is the one principal, who may everything."""

    def __init__(self, settings: Settings) -> None:
        self._identity = Identity(settings.tenant, settings.principal, "operator")

    async def enter(self, scope: Scope, headers: Headers) -> Identity:
        """Raises HostNotAllowed, OriginNotAllowed."""
        _check_host(headers.get(b"host", ""), scope.get("server"))
        _check_origin(scope.get("method", "WEBSOCKET"), headers)
        return self._identity

    def require(self, identity: Identity, needed: Role, operation: str) -> None:
        """Nothing is refused here."""

    async def holds(self, identity: Identity) -> bool:  # noqa: ARG002 - the port's
        """It does."""
        return True


class WithKeys:
    """A service that others reach: default deny; tenant, principal and role come from the key alone."""

    def __init__(self, directory: AccessDirectory, denials: Denials, routes: Sequence[BaseRoute]) -> None:
        self._directory = directory
        self._denials = denials
        self._routes = routes

    async def enter(self, scope: Scope, headers: Headers) -> Identity | None:
        """Raises the 401s of access, AccessRoleMissing, AccessRouteClosed, AccessUnchecked."""
        operation = operation_of(scope, self._routes) or NOWHERE
        needed: Need | None = "reader" if operation == NOWHERE else ROUTE_NEEDS.get(operation)
        if needed == "public":
            return None
        identity = await self._directory.identify(_bearer(headers))
        if needed is None:
            raise AccessRouteClosed(f"{operation} is open to no role")
        if not includes(identity.role, needed):
            await to_thread.run_sync(self._refuse, identity, needed, operation)
        return identity

    def require(self, identity: Identity, needed: Role, operation: str) -> None:
        """Raises AccessRoleMissing, and keeps the denial."""
        if not includes(identity.role, needed):
            self._refuse(identity, needed, operation)

    async def holds(self, identity: Identity) -> bool:
        """Whether the key still holds."""
        return await self._directory.holds(identity)

    def _refuse(self, identity: Identity, needed: Role, operation: str) -> NoReturn:
        self._denials.record(identity, operation, needed)
        raise AccessRoleMissing(
            f"{operation} needs the role {needed}; the key {identity.key_id} has the role {identity.role}",
            role=identity.role,
            role_needed=needed,
        )


def _bearer(headers: Headers) -> str:
    """The key that was sent. Raises AccessKeyMissing."""
    scheme, _, key = headers.get(b"authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise AccessKeyMissing("no API key was sent")
    return key.strip()


def _check_host(host: str, server: tuple[str, int | None] | None) -> None:
    name, port = _split(host)
    bound = server[1] if server else None
    if name not in NAMES or (bound is not None and port != str(bound)):
        raise HostNotAllowed(f"the host {host!r} is not this service", host=host)


def _split(host: str) -> tuple[str, str]:
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        return host, "80"
    return name, port


def _check_origin(method: str, headers: Headers) -> None:
    """Browsers name the page that started a write; ours is the only one that may (CSRF)."""
    if method in READING:
        return
    origin = headers.get(b"origin")
    if origin is not None and origin != f"http://{headers.get(b'host')}":
        raise OriginNotAllowed(f"the origin {origin!r} may not write here", origin=origin)
    if headers.get(b"sec-fetch-site", "none") not in ("none", "same-origin"):
        raise OriginNotAllowed("a page of another site may not write here")
