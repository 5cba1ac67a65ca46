"""Real servers as child processes of the tests: free ports, readiness, and ends of all kinds."""

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

START_S = 60.0
_POLL_S, _POLL_S_MOST = 0.02, 0.25
_GIVEN_TO_CONNECTIONS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def cache() -> Path:
    """The folder of what tests make once a machine."""
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "optaic-mlops-tests"
    own.mkdir(parents=True, exist_ok=True)
    return own


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """No other process of this machine makes what is made once while the block runs."""
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now.

    It lies below those that the kernel gives to connections: before a server listens, or while it is down
    between a kill and its next start, any client on the machine could be given one of them.
    """
    ports = range(10_000, int(_GIVEN_TO_CONNECTIONS.read_text("ascii").split()[0])) or (0,)
    while True:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", secrets.choice(ports)))
            return probe.getsockname()[1]


def is_listening(port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return True
    except OSError:
        return False


def wait_until(is_so: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
    """Poll a condition of another process; raises TimeoutError that names it.

    Asking takes a quarter of the time at most: who is waited for needs the processor.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        begin = time.monotonic()
        if is_so():
            return
        end = time.monotonic()
        if end > deadline:
            raise TimeoutError(f"after {timeout_s:g} s: {what}")
        # another process: nothing here can wake us
        time.sleep(min(max(_POLL_S, 3 * (end - begin)), _POLL_S_MOST))


def is_frozen(pid: int) -> bool:
    """Whether a process was stopped by SIGSTOP."""
    status = Path(f"/proc/{pid}/stat").read_text()
    return status.rpartition(")")[2].split()[0] == "T"


class ServerProcess:
    """One server that can be stopped, killed, frozen and started again on the same data."""

    def __init__(self, command: Sequence[str], log: Path, **options: Any) -> None:
        self._command = list(command)
        self._log = log
        self._options = options
        self._process: subprocess.Popen[Any] | None = None

    @property
    def pid(self) -> int:
        """The process id; the server must be running."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def is_frozen(self) -> bool:
        """Whether it was stopped by SIGSTOP."""
        return is_frozen(self.pid)

    def start(self, is_ready: Callable[[], bool]) -> None:
        """Start and wait until it answers; raises RuntimeError with the end of its log if it ends first."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **self._options,
            )

        def is_decided() -> bool:
            if not self.is_running:
                tail = self._log.read_text("utf-8", "replace")[-4000:]
                raise RuntimeError(f"{self._command[0]} ended while it started:\n{tail}")
            return is_ready()

        wait_until(is_decided, f"{self._command[0]} does not answer")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group."""
        if self.is_running:
            os.killpg(self.pid, number)

    def suspend(self) -> None:
        """SIGSTOP: alive, holding its connections and locks, and doing nothing."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL the group, and wait for the end."""
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals, timeout_s: float = 30.0) -> int:
        """Send a signal and wait for the end; a server that does not end is killed. Returns the exit code."""
        if self._process is None:
            return 0
        self.send(number)
        self.resume()
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            return self._process.wait()
