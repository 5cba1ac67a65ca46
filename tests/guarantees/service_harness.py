"""The real embedded service on a folder of a test's own: started, killed, started again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import httpx

from infrastructure.embedded.record import read_record
from infrastructure.policy_progress import PolicyProgressFile

ROOT = Path(__file__).resolve().parents[2]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
PROGRAM = (sys.executable, "-P", "-m", "infrastructure.cli.main")
PATIENCE_S = 60.0


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Look again and again until it holds, for at most a minute."""
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, f"not within {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.005)


def client_of(url: str) -> httpx.Client:
    """A client of the API under an address of this machine."""
    return httpx.Client(base_url=f"{url}/api/v1", timeout=30, verify=False, trust_env=False)


class Service:
    """A running service; `port` is None if it died before it was ready."""

    def __init__(self, zygote: "Zygote", data: Path, pid: int, port: int | None) -> None:
        self.data = data
        self.pid = pid
        self.url = f"http://127.0.0.1:{port}"
        self.ready = port is not None
        self._zygote = zygote
        self._status: int | None = None

    def client(self) -> httpx.Client:
        return client_of(self.url)

    def kill(self) -> None:
        """kill -9, whatever it does."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)

    def settle_policies(self) -> None:
        """Wait until the policies have acted on everything, and nothing new came of it."""
        progress = PolicyProgressFile(self.data / "policies.json")
        with self.client() as api:
            eventually(lambda: progress.load() == api.get("/ready").json()["head"], "the policies rest")

    def stop(self) -> int:
        """Ask it to end in order; its exit status."""
        if self._status is None:
            os.kill(self.pid, signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Its exit status once it has ended; negative: the signal."""
        if self._status is not None:
            return self._status
        status: int = self._zygote.ask(wait=self.pid)["status"]
        self._zygote.running.discard(self.pid)
        self._status = status
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.wait()


class Zygote:
    """The process that forks services. One at a time speaks with it."""

    def __init__(self) -> None:
        self.running: set[int] = set()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.guarantees.service_zygote"],
            cwd=ROOT,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: object) -> dict:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(
        self,
        data: Path,
        *,
        slots: int = 0,
        failpoints: str = "",
        environment: dict[str, str] | None = None,
        **settings: object,
    ) -> Service:
        """A service on a folder, ready or dead."""
        data.mkdir(parents=True, exist_ok=True)
        wanted = {"data": str(data), "port": 0, "run_slots": slots, **settings}
        started = self.ask(start=wanted, failpoints=failpoints, environment=environment or {})
        self.running.add(started["pid"])
        return Service(self, data, started["pid"], started["port"])

    def close(self) -> None:
        for pid in self.running:
            os.kill(pid, signal.SIGKILL)
        self._process.communicate(timeout=30)


class OwnProcess:
    """A service in a fresh process of its own, as users start it: imports and all."""

    def __init__(self, data: Path, environment: dict[str, str] | None = None) -> None:
        self.data = data
        began = time.perf_counter()
        data.mkdir(parents=True, exist_ok=True)
        with (data / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*PROGRAM, "up", "--data", str(data), "--port", "0"],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._is_ready, "the service is ready")
        self.seconds = time.perf_counter() - began
        record = read_record(data)
        assert record is not None
        self.url = record.url

    def client(self) -> httpx.Client:
        return client_of(self.url)

    def _is_ready(self) -> bool:
        log = self.data / "service.log"
        assert self._process.poll() is None, log.read_text()
        record = read_record(self.data)
        return record is not None and record.pid == self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
