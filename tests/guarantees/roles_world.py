"""Tenants of the whole production stack: some over HTTP with a model in production, many over Kafka."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import psycopg

from infrastructure.access.bootstrap import bootstrap
from infrastructure.bootstrap import Service
from infrastructure.roles.wiring import Core, open_core, service_of
from infrastructure.settings import Settings
from tests.http.life import API, Life
from tests.support.compose import ROLES, Stack
from tests.support.processes import wait_until

PRINCIPAL = "p_client"
INSTANCE = "spx-alpha"
DECLARATION = {"columns": [{"name": "value", "type": "float64"}]}


class RoleLife(Life):
    """A tenant's model life through the role `serve`; runs are external: the test is their worker."""

    def submit(self, instance: str = INSTANCE, **body: Any) -> str:
        return super().submit(instance, **{"executor": "external", **body})

    def claim(self, run_id: str) -> dict[str, str]:
        claimed = self.post(f"/runs/{run_id}/start", {"worker": "test"})
        return {"X-Run-Token": claimed["token"]}


@dataclass(frozen=True)
class Tenant:
    """A tenant with an operator's key."""

    name: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """What each request carries."""
        return {"Authorization": f"Bearer {self.key}"}


def sources(tenants: Sequence[str]) -> dict[str, str]:
    """The setting that lets each tenant's datahub send commands."""
    known = {f"/optaic/{one}/datahub": {"tenant": one, "principal": "service:datahub"} for one in tenants}
    return {"OPTAIC_MLOPS_COMMAND_SOURCES": json.dumps(known)}


def settings_of(stack: Stack, **more: Any) -> Settings:
    """The settings of a process of this test beside the roles."""
    return Settings(
        database_url=stack.app_url,  # type: ignore[arg-type]
        store_url=stack.environment("serve")["OPTAIC_MLOPS_STORE_URL"],
        data=stack.folder / "desk",
        run_slots=0,
        **more,
    )


@contextmanager
def desk(stack: Stack) -> Iterator[Core]:
    """Log, bus and views of the stack's database, in this process, past the faults of the network."""
    with ExitStack() as opened:
        yield open_core(settings_of(stack), opened, role="desk")


def given_tenants(core: Core, names: Sequence[str]) -> list[Tenant]:
    """Tenants with a first key each."""
    return [Tenant(name, bootstrap(core.log, name, PRINCIPAL)) for name in names]


def give_models(stack: Stack, core: Core, tenants: Sequence[Tenant], versions: int = 2) -> None:
    """For each tenant a published definition, an instance and so many versions in staging.

    The definition's verdict is this test's, so the worker stands still meanwhile.
    """
    worker = stack.roles["worker"].process
    worker.suspend()
    try:
        for tenant in tenants:
            service = service_for(core, tenant.name)
            host = stack.api.removesuffix(API)
            with httpx.Client(base_url=host, headers=tenant.headers, timeout=60) as client:
                life = RoleLife(client, service)
                life.ready_instance()
                for _ in range(versions):
                    life.trained(INSTANCE)
    finally:
        worker.resume()


def service_for(core: Core, tenant: str) -> Service:
    """The parts as one tenant's."""
    return replace(service_of(core), settings=core.settings.model_copy(update={"tenant": tenant}))


def head_of(stack: Stack) -> int:
    """The last position, as the database has it."""
    with psycopg.connect(stack.database_url) as connection:
        found = connection.execute("SELECT max(position) FROM optaic_log.activity_log").fetchone()
    return int(found[0] or 0) if found else 0


def settle(stack: Stack, core: Core, timeout_s: float = 60) -> int:
    """Wait until every role is ready and Kafka and all views have the whole log; returns the head."""
    stack.wait_ready(
        *(name for name, role in stack.roles.items() if name in ROLES and role.process.is_running)
    )
    wait_until(lambda: _has_all(stack, core), "Kafka or a view does not have the whole log", timeout_s)
    return head_of(stack)


def _has_all(stack: Stack, core: Core) -> bool:
    head = head_of(stack)
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute("SELECT position FROM optaic_ops.relay_progress").fetchone()
    views = core.views.status()
    return row is not None and row[0] == head and all(one.position >= head for one in views)


def http(stack: Stack, tenant: Tenant, timeout_s: float = 30) -> httpx.Client:
    """A client of one tenant."""
    return httpx.Client(base_url=stack.api, headers=tenant.headers, timeout=timeout_s, verify=False)


def facts_of(stack: Stack, name: str) -> Mapping[str, Any]:
    """What a role says of itself at `/ready`."""
    return httpx.get(f"http://127.0.0.1:{stack.roles[name].port}/ready", timeout=10, verify=False).json()[
        "facts"
    ]
