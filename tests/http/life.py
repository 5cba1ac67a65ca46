"""A model's whole life over HTTP, on a real service whose executor has no slots: the test is the worker."""

import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import polars as pl
import uvicorn
from fastapi import FastAPI

from application.bus import Sender
from domain.ml_module_def.commands import RecordEvaluation
from domain.ml_module_def.events import Check
from domain.shared.activity import Actor
from infrastructure.bootstrap import Service, open_service
from infrastructure.http.app import close_app, create_app
from infrastructure.settings import Settings

API = "/api/v1"
ZIP = {"Content-Type": "application/zip"}
CSV = {"Content-Type": "text/csv"}
PRICES = (
    "entity,date,knowledge_date,close\n"
    "A,2024-03-07,2024-03-07T21:00:00Z,10.5\n"
    "B,2024-03-07,2024-03-07T21:00:00Z,20.5\n"
    "A,2024-03-08,2024-03-08T21:00:00Z,11.5\n"
)
TRAINED_AS_OF = "2024-03-08T22:00:00Z"
_FILES = (
    "model/__init__.py",
    "model/net.py",
    "training/__init__.py",
    "training/trainer.py",
    "inference/__init__.py",
    "inference/predictor.py",
    "monitoring/__init__.py",
    "monitoring/monitor.py",
    "tests/test_model.py",
    "docs/overview.md",
)
TOML = """
name = "{name}"
version = "{version}"
category = "signal"
description = "for tests"

[entry_points]
model = "model.net:Net"
features = "training.trainer:Features"
target = "training.trainer:Target"
trainer = "training.trainer:Trainer"
evaluator = "training.trainer:Evaluator"
predictor = "inference.predictor:Predictor"
monitor = "monitoring.monitor:Monitor"

[[inputs]]
role = "us-prices"
columns = ["close"]

[[contracts]]
kind = "model.performance"
config = {{ metric = "rank_ic", at_least = 0.01 }}
enforce = "block"
"""


def package(name: str = "toy-signal", version: str = "1.0.0", without: str = "", extra: str = "") -> bytes:
    """A well-formed package; its code is never run here."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo("definition.toml"), TOML.format(name=name, version=version) + extra)
        for file in _FILES:
            if not (without and file.startswith(without)):
                archive.writestr(zipfile.ZipInfo(file), "")
    return content.getvalue()


class Life:
    """Steps of a model's life, each over HTTP; `settings` and `service` are there to look behind."""

    def __init__(self, client: httpx.Client, service: Service) -> None:
        self.client = client
        self.service = service
        self._runs = 0

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        """GET and expect a status."""
        answer = self.client.get(API + path, params=query)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 200, headers: Any = None, **query: Any) -> Any:
        """POST JSON and expect a status."""
        answer = self.client.post(API + path, json=body or {}, params=query, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def prices(self, rows: str = PRICES, status: int = 201, **query: Any) -> Any:
        """Write rows of us-prices."""
        answer = self.client.post(
            f"{API}/datasets/us-prices/versions", content=rows, headers=CSV, params=query
        )
        assert answer.status_code == status, answer.text
        return answer.json()

    def dataset(self) -> Any:
        """Create us-prices."""
        columns = [{"name": "close", "type": "float64"}]
        return self.post("/datasets", {"name": "us-prices", "declaration": declaration(columns)}, 201)

    def definition(self, name: str = "toy-signal", version: str = "1.0.0", verdict: str = "passed") -> Any:
        """Submit a package and record a verdict, as the executor would."""
        answer = self.client.post(f"{API}/definitions", content=package(name, version), headers=ZIP)
        assert answer.status_code == 202, answer.text
        self.judge(name, version, verdict, after=int(answer.headers["X-Log-Position"]))
        return answer.json()

    def judge(self, name: str, version: str, verdict: str, after: int | None = None) -> None:
        """The evaluation's verdict."""
        after = self.service.log.head() if after is None else after
        view = self.get(f"/definitions/{name}/{version}", after=after)
        command = RecordEvaluation(
            name=name,
            version=version,
            package_sha256=view["manifest"]["package_sha256"],
            verdict=verdict,
            sandbox_level="L1",
            checks=(Check(name="tests", ok=verdict == "passed", seconds=0.1, detail="14 passed"),),
            hyper_parameter_schema={"type": "object", "properties": {"depth": {"type": "integer"}}},
            output_columns={"signal": "float64"},
        )
        self.service.bus.send(command, internal(self.service))

    def instance(self, name: str = "spx-alpha", **more: Any) -> Any:
        """Create an instance of toy-signal on us-prices."""
        body = {
            "name": name,
            "definition": "toy-signal@1.0.0",
            "training_datasets": [{"dataset": "us-prices"}],
        }
        return self.post("/instances", {**body, **more}, 201)

    def submit(self, instance: str = "spx-alpha", **body: Any) -> str:
        """Submit a run; returns its id."""
        wish = {"kind": "training", "as_of": TRAINED_AS_OF, **body}
        return self.post(f"/instances/{instance}/runs", wish, 202)["run_id"]

    def claim(self, run_id: str) -> dict[str, str]:
        """Start a run as its worker; returns the headers for what follows."""
        claimed = self.post(f"/runs/{run_id}/start", {"worker": "test"})
        return {"Authorization": f"Bearer {claimed['token']}"}

    def trained(self, instance: str = "spx-alpha", rank_ic: float = 0.02) -> str:
        """A completed training; returns the version's reference."""
        run_id = self.submit(instance)
        token = self.claim(run_id)
        self._runs += 1
        blob = self.client.post(f"{API}/blobs", content=f"model {self._runs}").json()
        artifact = {"sha256": blob["sha256"], "size_bytes": blob["size_bytes"], "format": "toy"}
        done = {"metrics": {"rank_ic": rank_ic}, "artifact": artifact}
        written = self.post(f"/runs/{run_id}/complete", done, headers=token)
        (ref,) = [ref for ref in written["refs"] if ref.startswith("model_version:")]
        return ref.partition(":")[2]

    def promoted(self, instance: str = "spx-alpha", reason: str = "gate passed") -> str:
        """A trained and promoted version."""
        ref = self.trained(instance)
        self.post(f"/versions/{ref}/promote", {"reason": reason})
        return ref

    def inferred(self, instance: str = "spx-alpha") -> str:
        """A completed inference; returns the run's id."""
        run_id = self.submit(instance, kind="inference", as_of="2024-03-11T22:00:00Z")
        token = self.claim(run_id)
        blob = self.client.post(f"{API}/blobs", content=predictions()).json()
        self.post(f"/runs/{run_id}/complete", {"output_sha256": blob["sha256"]}, headers=token)
        return run_id

    def alerted(self, instance: str = "spx-alpha") -> str:
        """An open alert of a rule on `drift.share`; returns its id."""
        rule = {"metric": "drift.share", "comparison": "gt", "threshold": 0.5}
        changed = self.client.patch(f"{API}/instances/{instance}", json={"alert_rules": [rule]})
        assert changed.status_code == 200, changed.text
        run = {"instance": instance, "rule": "drift-share-gt", "metric": "drift.share", "value": 0.75}
        command = {"command_id": str(uuid4()), "type": "raise_alert", "data": run}
        (ref,) = self.post("/commands", command)["refs"]
        return ref.partition(":")[2]

    def ready_instance(self) -> None:
        """Dataset, rows, definition and instance."""
        self.dataset()
        self.prices()
        self.definition()
        self.instance()

    def head(self) -> int:
        """The log's last position."""
        return self.service.log.head()


def declaration(columns: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    """A dataset's declaration."""
    return {"columns": columns, **more}


def predictions() -> bytes:
    """What an inference run hands over."""
    frame = pl.DataFrame(
        {
            "entity": ["A", "B"],
            "date": ["2024-03-11", "2024-03-11"],
            "knowledge_date": ["2024-03-11T22:00:00Z"] * 2,
            "signal": [0.5, -0.5],
            "trained_as_of": [TRAINED_AS_OF] * 2,
            "model_version": [1, 1],
        }
    ).with_columns(
        pl.col("date").str.to_date(),
        pl.col("knowledge_date").str.to_datetime(time_unit="us", time_zone="UTC"),
        pl.col("trained_as_of").str.to_datetime(time_unit="us", time_zone="UTC"),
    )
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()


def internal(service: Service) -> Sender:
    """The service itself as a sender."""
    return Sender(
        tenant=service.settings.tenant, actor=Actor(principal="service:executor", method="internal")
    )


class _Server(uvicorn.Server):
    """Tells a thread that waits when it answers."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(uvicorn.Config(app, port=0, log_config=None, access_log=False))
        self.answers = threading.Event()
        self.port = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.port = self.servers[0].sockets[0].getsockname()[1]
        self.answers.set()


@contextmanager
def served(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of an app that really listens."""
    server = _Server(app)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert server.answers.wait(20)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60, verify=False) as client:
            yield client
    finally:
        close_app(app)
        server.should_exit = True
        thread.join()


@contextmanager
def living(data: Path, **settings: Any) -> Iterator[Life]:
    """A real service on a folder, and a client of its HTTP app."""
    chosen = Settings(data=data, run_slots=0, **settings)
    service = open_service(chosen)
    try:
        with served(create_app(service, chosen)) as client:
            yield Life(client, service)
    finally:
        # its policies take up to a second to end: meanwhile the next test may begin
        _CLOSING.submit(service.close)


_CLOSING = ThreadPoolExecutor(4, thread_name_prefix="closing")


def files_of(data: Path) -> set[str]:
    """Every stored object; what databases keep for themselves left out."""
    return {
        str(path.relative_to(data))
        for path in data.rglob("*")
        if path.is_file() and not path.name.startswith(("log.sqlite", "views.sqlite", "policies."))
    }
