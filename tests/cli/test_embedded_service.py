"""The embedded service as processes: started once, found again, ends in order, idle or told to."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infrastructure.embedded.record import answers, read_record, record_path, running
from tests.cli.commands import good, optaic


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    yield folder
    stop(folder)


def stop(folder: Path) -> None:
    """End the folder's service and wait until its process is gone."""
    record = read_record(folder)
    if record is not None:
        gone = wait_for_end(record.pid)
        os.kill(record.pid, signal.SIGTERM)
        gone()


def wait_for_end(pid: int) -> Any:
    """A function that waits for a process that is not our child."""
    descriptor = os.pidfd_open(pid)

    def wait() -> None:
        import select

        ready, _, _ = select.select([descriptor], [], [], 30)
        os.close(descriptor)
        assert ready, f"process {pid} did not end"

    return wait


def test_a_command_starts_the_service_and_the_next_finds_it(data: Path):
    good("dataset", "create", "us-prices", "--column", "close:float64", data=data)
    first = read_record(data)
    assert first is not None
    assert "us-prices" in good("dataset", "list", data=data).out
    assert read_record(data) == first
    assert stat.S_IMODE(record_path(data).stat().st_mode) == 0o600


def test_two_starters_at_once_find_one_service(data: Path):
    found: list[dict[str, Any]] = []

    def start() -> None:
        found.append(good("up", "--detach", "--json", data=data).json())

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len({one["pid"] for one in found}) == 1


def test_the_service_ends_in_order_when_told_to(data: Path):
    good("dataset", "create", "us-prices", "--column", "close:float64", data=data)
    record = read_record(data)
    assert record is not None
    with open_stream(record.url):
        stop(data)
    assert not record_path(data).exists()
    assert not answers(record)
    assert "us-prices" in good("dataset", "list", data=data).out


def open_stream(url: str) -> Any:
    import httpx

    client = httpx.Client(timeout=30)
    return client.stream("GET", f"{url}/api/v1/activity/stream")


def test_a_service_that_was_killed_is_replaced(data: Path):
    good("dataset", "create", "us-prices", "--column", "close:float64", data=data)
    record = read_record(data)
    assert record is not None
    gone = wait_for_end(record.pid)
    os.kill(record.pid, signal.SIGKILL)
    gone()
    assert running(data) is None
    assert "us-prices" in good("dataset", "list", data=data).out
    assert read_record(data) != record


def test_a_record_of_another_service_on_the_port_is_not_believed(data: Path):
    good("up", "--detach", data=data)
    record = read_record(data)
    assert record is not None
    other = data.parent / "other"
    other.mkdir()
    content = json.loads(record_path(data).read_text()) | {"token": "0" * 64}
    (other / "service.json").write_text(json.dumps(content))
    assert running(other) is None


def test_an_idle_service_ends_by_itself(data: Path):
    good("up", "--detach", data=data, OPTAIC_MLOPS_IDLE_EXIT_S="0.5")
    record = read_record(data)
    if record is not None:
        wait_for_end(record.pid)()
    assert not record_path(data).exists()


def test_up_serves_until_interrupted_and_says_where(data: Path):
    command = [
        sys.executable,
        "-P",
        "-m",
        "infrastructure.cli.main",
        "up",
        "--data",
        str(data),
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert "is served at http://127.0.0.1:" in process.stdout.readline()
        second = optaic("up", "--port", "0", data=data)
        assert (second.code, second.err.partition(":")[0]) == (1, "service.already_running")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert not record_path(data).exists()


def test_a_users_own_domain_folder_does_not_shadow_ours(data: Path, tmp_path: Path):
    for name in ("domain", "application", "infrastructure"):
        (tmp_path / "work" / name).mkdir(parents=True)
        (tmp_path / "work" / name / "__init__.py").write_text("raise RuntimeError('mine')")
    assert good("dataset", "list", "--json", data=data, cwd=tmp_path / "work").json() == []


def test_a_setting_that_is_wrong_is_named(data: Path):
    ran = optaic("up", data=data, OPTAIC_MLOPS_HOST="0.0.0.0")
    assert (ran.code, ran.err.partition(":")[0]) == (1, "setting.host_not_loopback")
    ran = optaic("up", data=data, OPTAIC_MLOPS_RUN_SLOTS="many")
    assert (ran.code, ran.err.partition(":")[0]) == (2, "setting.malformed")
    assert "OPTAIC_MLOPS_RUN_SLOTS" in ran.err


def test_a_taken_port_is_named(data: Path):
    good("up", "--detach", data=data)
    record = read_record(data)
    assert record is not None
    ran = optaic("up", "--port", str(record.port), data=data.parent / "other")
    assert (ran.code, ran.err.partition(":")[0]) == (1, "service.port_taken")


def test_a_service_that_cannot_start_says_why(data: Path):
    data.mkdir()
    (data / "log.sqlite").write_text("this is not a database, but it is long enough to be looked at " * 20)
    ran = optaic("dataset", "list", data=data)
    assert ran.code == 3
    assert ran.err.startswith("service.start_failed: ")
