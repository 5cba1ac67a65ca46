"""Clients that never give up: each remembers what it sent, and sends what stayed unanswered again, with the
same key, once the service is back.
"""

import hashlib
import random
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid4

import httpx

from domain.shared.ids import command_id_of_key, uuid7
from tests.guarantees.service_harness import OwnProcess, Service
from tests.guarantees.service_world import AUTOMATIC, MANUAL, METRIC

TENANT, PRINCIPAL = "local", "p_local"
DECLARATION = {"columns": [{"name": "value", "type": "float64"}]}
UNAVAILABLE, INTERNAL = 503, 500
Fate = Literal["unknown", "accepted", "unchanged", "refused", "stored"]
Body = dict[str, Any]


@dataclass
class Sent:
    """One command of a client and what is known of its fate."""

    method: str
    path: str
    body: Body
    """Arguments of httpx beside the headers."""
    key: str = field(default_factory=lambda: uuid4().hex)
    headers: dict[str, str] = field(default_factory=dict[str, str])
    fate: Fate = "unknown"
    answer: Body = field(default_factory=dict[str, Any])
    attempts: int = 0
    was_there: bool = False
    """Its events were found in the log before it was answered."""

    @property
    def command_id(self) -> UUID:
        return command_id_of_key(TENANT, PRINCIPAL, self.key)

    @property
    def position(self) -> int:
        return self.answer["position"]


class ServiceGone(Exception):
    """The service did not answer."""


Script = Generator[Sent, Sent, None]
"""Yields commands; gets each back with its fate known. It never ends."""


class Client:
    """Plays a script against whatever service there is; several services one after the other."""

    def __init__(self, script: Script) -> None:
        self.sent: list[Sent] = []
        self._script = script
        self._due = next(script)

    def play(self, api: httpx.Client, until: Callable[[], bool]) -> None:
        """Send until told to stop or the service is gone; what is unanswered then comes first next time."""
        try:
            while not until():
                self._send(api)
        except ServiceGone:
            return

    def _send(self, api: httpx.Client) -> None:
        due = self._due
        if not due.attempts:
            self.sent.append(due)
        if due.fate == "unknown":
            settle(due, api)
        self._due = self._script.send(due)


def settle(sent: Sent, api: httpx.Client) -> None:
    """Send a command once more and note its fate. Raises ServiceGone."""
    sent.attempts += 1
    headers = {"Idempotency-Key": sent.key, **sent.headers}
    try:
        answer = api.request(sent.method, sent.path, headers=headers, **sent.body)
    except httpx.TransportError as error:
        raise ServiceGone from error
    assert answer.status_code != INTERNAL, answer.text
    if answer.status_code == UNAVAILABLE:
        raise ServiceGone(answer.text)
    sent.answer = answer.json()
    sent.fate = sent.answer.get("outcome", "stored") if answer.is_success else "refused"
    if sent.fate == "accepted":
        assert sent.answer["repeated"] == sent.was_there, sent


def acknowledged(clients: list[Client]) -> int:
    return sum(sent.fate != "unknown" for client in clients for sent in client.sent)


def play(
    service: Service | OwnProcess, clients: list[Client], until: Callable[[], bool]
) -> list[threading.Thread]:
    """Let every client play in a thread of its own."""

    def one(client: Client) -> None:
        with service.client() as api:
            client.play(api, until)

    threads = [threading.Thread(target=one, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    return threads


# --- what clients do


def _json(path: str, method: str = "POST", headers: Body | None = None, **body: Any) -> Sent:
    return Sent(method, path, {"json": body}, headers=headers or {})


def _rows(dataset: str, day: int, value: float) -> Sent:
    known = f"2024-03-{day:02}T21:00:00Z"
    rows = f"entity,date,knowledge_date,value\nA,2024-03-{day:02},{known},{value}\n"
    body = {"content": rows.encode(), "params": {"backfill": "true"}}
    return Sent("POST", f"/datasets/{dataset}/versions", body, headers={"Content-Type": "text/csv"})


def writer(name: str) -> Script:
    """A dataset after the other, some versions each."""
    made = 0
    while True:
        made += 1
        dataset = f"{name}-{made}"
        yield _json("/datasets", name=dataset, declaration=DECLARATION)
        for day in range(1, 4):
            yield _rows(dataset, day, made)


def trainer(chance: random.Random, instance: str = AUTOMATIC) -> Script:
    """Trains elsewhere and registers versions; half of them are good enough to be promoted by policy."""
    while True:
        yield from trained(chance, instance, chance.choice((0.1, 0.9)))


def trained(chance: random.Random, instance: str, metric: float) -> Generator[Sent, Sent, int | None]:
    """One training done elsewhere; the number of the version that came of it."""
    run = str(uuid7(chance.getrandbits(40), chance.getrandbits(74)))
    path = f"/instances/{instance}/runs"
    submitted = yield _json(path, kind="training", executor="external", run_id=run)
    if submitted.fate != "accepted":
        return None
    claimed = yield _json(f"/runs/{run}/start", worker="elsewhere")
    token = {"Authorization": f"Bearer {claimed.answer['token']}"}
    points = [{"name": "loss", "step": step, "value": 1 / (1 + step)} for step in range(5)]
    yield _json(f"/runs/{run}/metrics", headers=token, points=points)
    content = f"model of {run}".encode()
    yield Sent("POST", "/blobs", {"content": content})
    sha256 = hashlib.sha256(content).hexdigest()
    artifact = {"sha256": sha256, "size_bytes": len(content), "format": "weights-text"}
    done = yield _json(f"/runs/{run}/complete", headers=token, metrics={METRIC: metric}, artifact=artifact)
    made = [ref for ref in done.answer.get("refs", ()) if ref.startswith("model_version:")]
    return int(made[0].rpartition("@")[2]) if made else None


def purger(chance: random.Random, name: str) -> Script:
    """Writes rows and trains models only to have their bytes deleted again."""
    made = 0
    while True:
        made += 1
        dataset = f"{name}-{made}"
        yield _json("/datasets", name=dataset, declaration=DECLARATION)
        yield _rows(dataset, 1, -made)
        yield _json(f"/datasets/{dataset}/versions/1/purge", reason="the licence ended")
        number = yield from trained(chance, MANUAL, 0.1)
        if number is not None:
            data = {"instance": MANUAL, "number": number}
            yield command("purge_version_artifact", data, reason="space")


def command(kind: str, data: Body, **more: Any) -> Sent:
    """Any command in its envelope."""
    sent = _json("/commands", type=kind, data=data, **more)
    sent.body["json"]["command_id"] = str(sent.command_id)
    return sent


def changer(chance: random.Random) -> Script:
    """Changes the two instances that everybody uses."""
    while True:
        name = chance.choice((MANUAL, AUTOMATIC))
        yield _json(f"/instances/{name}", "PATCH", description=f"changed {chance.random()}")


def promoter(chance: random.Random) -> Script:
    """Moves versions through their stages, mostly in vain."""
    while True:
        ref = f"{AUTOMATIC}@{chance.randint(1, 6)}"
        move = chance.choice(("promote", "rollback", "stage", "archive"))
        yield _json(f"/versions/{ref}/{move}", reason="because it is time")
        yield _json(f"/versions/{ref}", "PATCH", tags=[f"tag-{chance.randint(1, 99)}"])
