"""A real service that asks for keys, on SQLite: two tenants, a key for each role, and dead ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from application.bus import Sender
from domain.access.commands import GrantAccess, RevokeAccess
from domain.access.roles import Role
from domain.shared.activity import Actor
from infrastructure.access.bootstrap import bootstrap
from infrastructure.access.directory import AccessDirectory
from infrastructure.access.keys import key_id_of, new_key
from infrastructure.bootstrap import Service, open_service
from infrastructure.http.app import create_app
from infrastructure.settings import Settings
from tests.http.life import Life, served

TENANT, OTHER = "acme", "zeta"
SECRET = b"thirty-two bytes of a shared key"


class Clock:
    """The wall clock of the directory, which may be put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class House(Life):
    """A life whose client sends the operator key of `acme`, and keys for everybody else."""

    def __init__(self, client: httpx.Client, service: Service, clock: Clock) -> None:
        super().__init__(client, service)
        self.clock = clock
        self.keys = {"operator": bootstrap(service.log, TENANT, "p_boss")}
        self.other = bootstrap(service.log, OTHER, "p_stranger")
        for role in ("reader", "writer"):
            self.keys[role] = self.given(role)
        client.headers["Authorization"] = f"Bearer {self.keys['operator']}"

    def given(self, role: Role, tenant: str = TENANT, **fields: Any) -> str:
        """A new key, granted behind the door."""
        key = new_key()
        command = GrantAccess(
            key_id=key.key_id, principal=f"p_{role}", role=role, secret_sha256=key.sha256, **fields
        )
        self.service.bus.send(command, self.inside(tenant))
        return key.text

    def revoked(self, role: Role = "operator") -> str:
        """A key that was revoked."""
        key = self.given(role)
        self.service.bus.send(RevokeAccess(key_id=key_id_of(key) or ""), self.inside(TENANT))
        return key

    def inside(self, tenant: str) -> Sender:
        """Somebody behind the door."""
        return Sender(tenant=tenant, actor=Actor(principal="p_boss"), reason="a test")

    def claim(self, run_id: str) -> dict[str, str]:
        claimed = self.post(f"/runs/{run_id}/start", {"worker": "test"})
        return {"X-Run-Token": claimed["token"]}

    def asks(self, key: str | None, method: str, path: str, **more: Any) -> httpx.Response:
        """One request with a key of one's own, or none."""
        with httpx.Client(base_url=self.client.base_url, timeout=60, verify=False) as client:
            headers = {**more.pop("headers", {}), **({} if key is None else bearer(key))}
            return client.request(method, path, headers=headers, **more)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def housed(data: Path, **settings: Any) -> Iterator[House]:
    """A service that asks for keys."""
    chosen = Settings(data=data, run_slots=0, tenant=TENANT, **settings)
    service, clock = open_service(chosen), Clock()
    try:
        directory = AccessDirectory(service.log, now=clock.now)
        with served(create_app(service, chosen, access=directory, run_token_key=SECRET)) as client:
            yield House(client, service, clock)
    finally:
        service.close()
