"""A command over HTTP against a bare ASGI app that does the same append, and until it is visible in a view.

Run: python -m benchmarks.http_command
Both servers are processes of their own with the same uvicorn; one client, in turns of 100 requests.
"""

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

TURNS, BATCH = 8, 100
RATE, SECONDS = 100, 8
HEADERS = {"Content-Type": "application/json"}


def body(name: str) -> bytes:
    """A create_dataset command: one stream loaded, one event appended."""
    return json.dumps(
        {"name": name, "declaration": {"columns": [{"name": "close", "type": "float64"}]}}
    ).encode()


def serve_bare(folder: Path) -> None:
    """The bare app: read the body, decode it, append, answer the position."""
    import msgspec
    import uvicorn

    from application.ports import StreamWrite
    from domain.dataset.commands import CreateDataset
    from domain.dataset.events import DatasetCreated
    from domain.shared.activity import Actor, Envelope, StreamKey
    from infrastructure.activity_log import open_activity_log
    from infrastructure.activity_log.system_clock import SystemClock
    from infrastructure.embedded.server import listening

    log = open_activity_log(folder / "log.sqlite", SystemClock())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        message = await receive()
        command = msgspec.json.decode(message["body"], type=CreateDataset)
        event = DatasetCreated(
            name=command.name, kind="source", declaration=command.declaration, instance=None
        )
        envelope = Envelope(
            tenant="local",
            actor=Actor(principal="p_local"),
            command_id=uuid4(),
            body_hash=b"x" * 32,
            correlation_id=uuid4(),
        )
        outcome = log.append(envelope, [StreamWrite(StreamKey("dataset", command.name), 0, (event,))])
        content = msgspec.json.encode({"position": outcome.position})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    with listening("127.0.0.1", 0) as bound:
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", server_header=False)
        print(bound.getsockname()[1], flush=True)
        uvicorn.Server(config).run(sockets=[bound])


@contextmanager
def process(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A child that is ended in the end."""
    child = subprocess.Popen([sys.executable, "-P", "-m", *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.terminate()
        child.wait()


@contextmanager
def service(folder: Path) -> Iterator[int]:
    """The whole service; yields its port."""
    with process("infrastructure.cli.main", "up", "--data", str(folder), "--port", "0") as child:
        assert child.stdout is not None
        yield int(child.stdout.readline().split()[5].rsplit(":", 1)[1])


@contextmanager
def bare(folder: Path) -> Iterator[int]:
    """The bare app; yields its port."""
    folder.mkdir()
    with process("benchmarks.http_command", "bare", str(folder)) as child:
        assert child.stdout is not None
        yield int(child.stdout.readline())


def post(connection: http.client.HTTPConnection, path: str) -> tuple[str, int]:
    """Create a dataset; returns its name and the position."""
    name = f"d-{uuid4().hex}"
    connection.request("POST", path, body(name), HEADERS)
    response = connection.getresponse()
    answer = json.loads(response.read())
    assert response.status == 201, answer
    return name, answer["position"]


def batch(connection: http.client.HTTPConnection, path: str) -> list[float]:
    """Seconds of each of a batch of commands."""
    taken: list[float] = []
    for _ in range(BATCH):
        began = time.perf_counter()
        post(connection, path)
        taken.append(time.perf_counter() - began)
    return taken


def visible(port: int, schedule: Iterator[float], lock: threading.Lock, taken: list[float]) -> None:
    """Send commands when they are due; measure until a view shows what each made."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while True:
        with lock:
            due = next(schedule, None)
        if due is None:
            return
        time.sleep(max(0.0, due - time.perf_counter()))
        name, position = post(connection, "/api/v1/datasets")
        connection.request("GET", f"/api/v1/datasets/{name}?after={position}")
        response = connection.getresponse()
        response.read()
        assert response.status == 200
        taken.append(time.perf_counter() - due)


def paced(port: int) -> list[float]:
    """Seconds from due to visible, at RATE commands a second."""
    start = time.perf_counter() + 0.1
    schedule = iter([start + number / RATE for number in range(RATE * SECONDS)])
    taken: list[float] = []
    lock = threading.Lock()
    threads = [threading.Thread(target=visible, args=(port, schedule, lock, taken)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch, service(Path(scratch) / "service") as ours:
        with bare(Path(scratch) / "bare") as theirs:
            whole: list[float] = []
            raw: list[float] = []
            one = http.client.HTTPConnection("127.0.0.1", ours)
            other = http.client.HTTPConnection("127.0.0.1", theirs)
            batch(one, "/api/v1/datasets")
            batch(other, "/")
            for _ in range(TURNS):
                raw += batch(other, "/")
                whole += batch(one, "/api/v1/datasets")
        seen = sorted(paced(ours))
    ratio = statistics.median(raw) / statistics.median(whole)
    p99 = seen[int(len(seen) * 0.99)] * 1000
    print("| what | figure | target |")
    print("|---|---|---|")
    print(f"| bare ASGI app, one append (median) | {statistics.median(raw) * 1000:.2f} ms | |")
    print(f"| command over HTTP (median) | {statistics.median(whole) * 1000:.2f} ms | |")
    print(f"| ratio, bare over ours | {ratio:.2f} | >= 0.5 |")
    print(f"| command to visible at {RATE}/s, median | {statistics.median(seen) * 1000:.1f} ms | |")
    print(f"| command to visible at {RATE}/s, p99 | {p99:.1f} ms | <= 100 ms |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        serve_bare(Path(sys.argv[2]))
    else:
        main()
