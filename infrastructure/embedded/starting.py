"""Find the embedded service of a data folder, or start it in the background. Standard library only."""

import os
import select
import subprocess
import sys
from pathlib import Path

from infrastructure.embedded.errors import ServiceStartFailed
from infrastructure.embedded.record import ServiceRecord, read_record, running
from infrastructure.embedded.start_lock import start_lock

READY = b"ready"
START_TIMEOUT_S = 60.0
IDLE_EXIT_S = 1800
"""A service that was started in the background ends by itself after half an hour without a request."""
_LOG_BYTES_MAX = 10 << 20


def ensure_service(data: Path, timeout_s: float = START_TIMEOUT_S) -> ServiceRecord:
    """The running service of a data folder, started if there is none. Raises ServiceStartFailed."""
    data = data.expanduser().resolve()
    found = running(data)
    if found is not None:
        return found
    with start_lock(data):
        found = running(data)
        if found is not None:
            return found
        _start(data, timeout_s)
        started = read_record(data)
    if started is None:
        raise ServiceStartFailed(f"the service on {data} said it was ready, but left no service.json")
    return started


def _start(data: Path, timeout_s: float) -> None:
    """Start a process that outlives us and wait until it says that it is ready."""
    reading, writing = os.pipe()
    try:
        with _log(data).open("ab") as log:
            process = subprocess.Popen(
                _command(data, writing),
                cwd="/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(writing,),
                start_new_session=True,
            )
        os.close(writing)
        writing = -1
        said = _wait(reading, timeout_s)
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    if said != READY:
        if process.poll() is None:
            process.kill()
        process.wait()
        raise ServiceStartFailed(said.decode(errors="replace") or f"no answer; {_log(data)} says more")
    _disown(process)


def _command(data: Path, ready_fd: int) -> list[str]:
    """`-P`: the folder that we were started in never shadows our packages."""
    module = "infrastructure.cli.main"
    port = os.environ.get("OPTAIC_MLOPS_PORT", "0")
    return [
        *(sys.executable, "-P", "-m", module, "up", "--data", str(data), "--port", port),
        *("--ready-fd", str(ready_fd)),
    ]


def _environment() -> dict[str, str]:
    return {"OPTAIC_MLOPS_IDLE_EXIT_S": str(IDLE_EXIT_S), **os.environ}


def _log(data: Path) -> Path:
    """Where a background service writes; started over when it has grown."""
    path = data / "service.log"
    if path.exists() and path.stat().st_size > _LOG_BYTES_MAX:
        path.replace(data / "service.log.1")
    return path


def _wait(reading: int, timeout_s: float) -> bytes:
    ready, _, _ = select.select([reading], [], [], timeout_s)
    return os.read(reading, 4096) if ready else b""


def _disown(process: "subprocess.Popen[bytes]") -> None:
    """It is meant to outlive us: say so, or its object complains when it is collected."""
    process.returncode = 0
