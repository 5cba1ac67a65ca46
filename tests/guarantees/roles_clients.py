"""Clients under load that do not give a command up: the same key, or the same id, until it is known."""

import random
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
from kafka.errors import KafkaError

from domain.shared.ids import command_id_of_key
from optaic.mlops.commands import CommandNotSent, CommandPublisher, CommandResult
from tests.guarantees.roles_history import History, Op
from tests.guarantees.roles_world import DECLARATION, INSTANCE, PRINCIPAL, Tenant
from tests.support.compose import Stack

PATIENCE_S = 20.0
"""How long a client asks again before it says that it does not know."""
_PAUSE_S = 0.05
_REST_S = 0.05
"""Between two steps of a person: the load stays, and the roles get a processor on which to come back."""
_PASSING = (429, 500, 502, 503, 504)


class HttpClient:
    """One person's script: writes with keys, repeats what it does not know, reads back what it wrote."""

    def __init__(self, stack: Stack, tenant: Tenant, number: int, history: History, seed: int) -> None:
        self._stack = stack
        self._tenant = tenant
        self._number = number
        self._history = history
        self._random = random.Random(f"{seed}:{tenant.name}:{number}")
        self._count = 0
        self._http = httpx.Client(base_url=stack.api, headers=tenant.headers, timeout=3, verify=False)

    def run(self, ended: threading.Event) -> None:
        """Work until told to end."""
        steps: Sequence[Callable[[], None]] = (
            self._dataset,
            self._dataset,
            self._instance,
            self._annotate,
            self._move,
        )
        while not ended.is_set():
            self._random.choice(steps)()
            ended.wait(_REST_S)
        self._http.close()

    def _dataset(self) -> None:
        self._count += 1
        fresh = f"d-{self._number}-{self._count}"
        name = "us-prices" if self._random.random() < 0.1 else fresh
        position = self._write(
            "create_dataset", "POST", "/datasets", {"name": name, "declaration": DECLARATION}
        )
        if position:
            self._read(f"/datasets/{name}", position, {})

    def _instance(self) -> None:
        self._count += 1
        name = f"i-{self._number}-{self._count}"
        body = {
            "name": name,
            "definition": "toy-signal@1.0.0",
            "training_datasets": [{"dataset": "us-prices"}],
        }
        position = self._write("create_instance", "POST", "/instances", body)
        if position:
            self._read(f"/instances/{name}", position, {})

    def _annotate(self) -> None:
        self._count += 1
        path, words = f"/versions/{INSTANCE}@{self._number}", f"seen {self._count} times"
        position = self._write("annotate_version", "PATCH", path, {"description": words})
        if position:
            self._read(path, position, {"description": words})

    def _move(self) -> None:
        """Both clients of a tenant want their own version in production, or the former one back."""
        which = self._random.choice(["promote", "rollback"])
        path = f"/versions/{INSTANCE}@{self._number}/{which}"
        self._write(f"{which}_version", "POST", path, {"reason": "wanted"})

    def _write(self, command: str, method: str, path: str, body: Mapping[str, Any]) -> int | None:
        """The position, if the command was taken."""
        key = f"{self._number}-{uuid4().hex}"
        command_id = command_id_of_key(self._tenant.name, PRINCIPAL, key)
        op: dict[str, Any] = {"tenant": self._tenant.name, "command": command, "command_id": command_id}
        answer, attempts = self._answer(method, path, json=body, headers={"Idempotency-Key": key})
        op |= {"way": "http", "attempts": attempts}
        if answer is None:
            self._history.add(Op(**op, status="unknown"))
            return None
        said = answer.json()
        if answer.is_success:
            self._history.add(Op(**op, status="ok", outcome=said["outcome"], position=said["position"]))
            return said["position"]
        self._history.add(Op(**op, status="failed", code=said["code"]))
        return None

    def _read(self, path: str, after: int, expected: Mapping[str, Any]) -> None:
        answer, _ = self._answer("GET", path, params={"after": after})
        if answer is None:
            return
        found = answer.json()
        if answer.status_code != 200 or any(found.get(name) != value for name, value in expected.items()):
            self._history.breach(
                f"{self._tenant.name} {path} after {after}: {answer.status_code} {answer.text}"
            )
        else:
            self._history.saw()

    def _answer(self, method: str, path: str, **more: Any) -> tuple[httpx.Response | None, int]:
        """The first answer that is one, and the number of attempts."""
        deadline, attempts = time.monotonic() + PATIENCE_S, 0
        while time.monotonic() < deadline:
            attempts += 1
            try:
                answer = self._http.request(method, path, **more)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code == 500:
                    self._history.breach(f"{method} {path}: {answer.text}")
                if answer.status_code not in _PASSING:
                    return answer, attempts
            threading.Event().wait(_PAUSE_S)
        return None, attempts


class KafkaClient:
    """Services of many tenants: one comes, sends its commands, waits for the results, and goes."""

    def __init__(
        self, stack: Stack, tenants: Sequence[str], number: int, history: History, seed: int
    ) -> None:
        self._stack = stack
        self._tenants = tenants
        self._history = history
        self._number = number
        self._random = random.Random(f"{seed}:kafka:{number}")
        self._count = 0

    def run(self, ended: threading.Event) -> None:
        """Tenant after tenant until told to end."""
        turn = 0
        while not ended.is_set():
            tenant = self._tenants[turn % len(self._tenants)]
            try:
                with CommandPublisher(
                    self._stack.kafka.bootstrap, tenant=tenant, service="datahub"
                ) as publisher:
                    for _ in range(4):
                        self._command(publisher, tenant)
            except (KafkaError, LookupError):
                ended.wait(_PAUSE_S)  # the broker is away
            else:
                turn += 1

    def _command(self, publisher: CommandPublisher, tenant: str) -> None:
        self._count += 1
        chance, name = self._random.random(), f"k-{self._number}-{self._count}"
        if chance < 0.2:
            name = "of-everybody"  # created by the first; then refused
        command_id = uuid4()
        op: dict[str, Any] = {
            "way": "kafka",
            "tenant": tenant,
            "command": "create_dataset",
            "command_id": command_id,
        }
        data = {"name": name, "declaration": DECLARATION}
        repeats = 2 if chance > 0.8 else 1
        result, attempts = self._result(publisher, data, command_id, repeats)
        if result is None:
            self._history.add(Op(**op, status="unknown", attempts=attempts))
        elif result.is_refused:
            self._history.add(Op(**op, status="failed", code=result.code, attempts=attempts))
        else:
            ok = {"outcome": result.outcome, "position": result.position, "attempts": attempts}
            self._history.add(Op(**op, status="ok", **ok))

    def _result(
        self, publisher: CommandPublisher, data: Mapping[str, Any], command_id: UUID, repeats: int
    ) -> tuple[CommandResult | None, int]:
        """Sent again with the same id until its result is heard; `repeats`: so often at once."""
        deadline, attempts = time.monotonic() + PATIENCE_S, 0
        while time.monotonic() < deadline:
            attempts += 1
            try:
                for _ in range(repeats):
                    publisher.send("create_dataset", data, command_id=command_id, timeout_s=5)
                return publisher.wait_for_result(command_id, timeout_s=5), attempts
            except (CommandNotSent, TimeoutError, KafkaError):
                continue
        return None, attempts


class Load:
    """Clients in threads, until the block ends."""

    def __init__(self, history: History, clients: Sequence[HttpClient | KafkaClient]) -> None:
        self._history = history
        self.ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(one,), name=f"client-{number}", daemon=True)
            for number, one in enumerate(clients)
        ]

    def _run(self, client: HttpClient | KafkaClient) -> None:
        try:
            client.run(self.ended)
        except Exception:
            self._history.breach(f"a client ended: {traceback.format_exc()}")

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self._threads:
            thread.join(3 * PATIENCE_S)
            assert not thread.is_alive(), f"{thread.name} hangs"
