"""The whole stack with tenants and clients, for tests that disturb it on purpose."""

import io
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from infrastructure.roles.wiring import Core
from tests.guarantees.roles_checks import (
    Row,
    check_activity,
    check_history,
    check_one_effect,
    check_one_in_production,
    check_results,
    check_views,
    read_log,
)
from tests.guarantees.roles_clients import HttpClient, KafkaClient, Load
from tests.guarantees.roles_history import History
from tests.guarantees.roles_world import (
    RoleLife,
    Tenant,
    desk,
    give_models,
    given_tenants,
    http,
    service_for,
    settle,
    sources,
)
from tests.http.life import API, ZIP, package
from tests.support.compose import Stack
from tests.support.processes import wait_until

TENANTS = ("acme", "zeta")
SLOW = "slow-signal"


@dataclass
class Scene:
    """A running stack, its tenants, and what clients asked of it so far."""

    stack: Stack
    core: Core
    tenants: Sequence[Tenant]
    history: History = field(default_factory=History)

    @contextmanager
    def load(self, seed: int = 1) -> Iterator[History]:
        """A few clients of both kinds, until the block ends."""
        web = [
            HttpClient(self.stack, one, number, self.history, seed)
            for one in self.tenants
            for number in (1, 2)
        ]
        with Load(self.history, [*web, KafkaClient(self.stack, TENANTS, seed, self.history, seed)]):
            self.await_progress("the load began")
            yield self.history

    def await_progress(self, after: str, timeout_s: float = 30) -> None:
        """Wait until the next command is acknowledged over HTTP and over Kafka."""
        before = self.history.progress()
        wait_until(
            lambda: all(now > then for now, then in zip(self.history.progress(), before, strict=True)),
            f"commands or reads are not answered: {after}",
            timeout_s,
        )

    def check(self) -> list[Row]:
        """Let it settle; everything that must hold, holds."""
        assert not self.history.breaches, self.history.breaches
        settle(self.stack, self.core)
        rows = read_log(self.stack)
        check_history(rows, self.history.ops)
        check_one_effect(rows)
        check_one_in_production(rows)
        check_activity(self.stack, rows)
        check_results(self.stack, self.history.ops)
        check_views(self.stack, self.tenants[0])
        return rows

    def client(self) -> httpx.Client:
        """The first tenant's."""
        return http(self.stack, self.tenants[0])

    def rows_of(self, resource_id: str) -> list[Row]:
        """The events about a resource."""
        return [row for row in read_log(self.stack) if row.stream_id.endswith(resource_id)]


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Everything runs; each tenant has a model in staging."""
    stack = Stack(folder, more=sources(TENANTS))
    try:
        stack.start()
        with desk(stack) as core:
            tenants = given_tenants(core, TENANTS)
            give_models(stack, core, tenants)
            stack.wait_ready()
            yield Scene(stack, core, tenants)
    finally:
        stack.close()


def give_slow_instance(at: Scene) -> None:
    """An instance whose training never ends by itself."""
    worker = at.stack.roles["worker"].process
    tenant = at.tenants[0]
    worker.suspend()
    try:
        host = at.stack.api.removesuffix(API)
        with httpx.Client(base_url=host, headers=tenant.headers, timeout=60) as client:
            answer = client.post(f"{API}/definitions", content=_endless(), headers=ZIP)
            assert answer.status_code == 202, answer.text
            life = RoleLife(client, service_for(at.core, tenant.name))
            life.judge(SLOW, "1.0.0", "passed", after=int(answer.headers["X-Log-Position"]))
            life.instance(SLOW, definition=f"{SLOW}@1.0.0")
    finally:
        worker.resume()


def _endless() -> bytes:
    """A package that sleeps while it is imported."""
    content = io.BytesIO(package(SLOW))
    made = io.BytesIO()
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            text = b"import time\ntime.sleep(600)\n" if name == "model/net.py" else old.read(name)
            new.writestr(zipfile.ZipInfo(name), text)
    return made.getvalue()


def trained(at: Scene, name: str) -> None:
    """A new instance gets its first version: a policy has to promote it."""
    policy = {"mode": "automatic", "metric": "rank_ic", "at_least": 0.01}
    tenant = at.tenants[0]
    host = at.stack.api.removesuffix(API)
    with httpx.Client(base_url=host, headers=tenant.headers, timeout=60) as client:
        life = RoleLife(client, service_for(at.core, tenant.name))
        life.instance(name, promotion_policy=policy)
        life.trained(name)


def promoted(rows: Sequence[Row], name: str) -> list[str]:
    """Who promoted the instance's versions, once for each time."""
    found = [row for row in rows if row.action == "model_version.promoted"]
    return [row.actor for row in found if row.said["instance"] == name]


def await_promotion(at: Scene, name: str, timeout_s: float = 30) -> None:
    """Wait until somebody promotes the instance's version."""
    wait_until(lambda: bool(promoted(read_log(at.stack), name)), f"nobody promotes {name}", timeout_s)


def seconds(action: Callable[[], None]) -> float:
    """How long it took."""
    begin = time.monotonic()
    action()
    return round(time.monotonic() - begin, 2)
