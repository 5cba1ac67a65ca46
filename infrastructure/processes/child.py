"""A child process in a session of its own, with an environment built from nothing, that dies with its
parent.
"""

import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from optaic.mlops.runner.confinement import MEMORY_SETTING, PARENT_SETTING

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


def environment(home: Path, memory_mib: int, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a child: nothing of ours is inherited."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "DO_NOT_TRACK": "1",
        **dict.fromkeys(_THREADS, "1"),
        PARENT_SETTING: str(os.getpid()),
        MEMORY_SETTING: str(memory_mib),
        **(extra or {}),
    }


def _standard_input(content: bytes) -> int:
    """A pipe's reading end with some content (at most what a pipe holds) and then its end."""
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return reading


class Child:
    """A running child. Whoever starts it must be the thread that waits for it: it dies with that thread."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        task: bytes = b"",
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        stdin = _standard_input(task)
        self._process = subprocess.Popen(
            list(arguments),
            cwd=cwd,
            env=dict(env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
        )
        os.close(stdin)
        self._handle = os.pidfd_open(self._process.pid)
        self.output = cast("BinaryIO", self._process.stdout)

    @property
    def pid(self) -> int:
        """The process id, which is the group's id too."""
        return self._process.pid

    def wait(self, timeout_s: float) -> int | None:
        """The exit code (negative: the signal) once it ended; None when the time is over first."""
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return self._process.wait() if poll.poll(max(timeout_s, 0) * 1000) else None

    def terminate(self) -> None:
        """Ask the leader to end."""
        with suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(self._handle, signal.SIGTERM)

    def kill(self) -> None:
        """End the whole process group, at once. The leader need not be alive any more."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill what is left of the group and reap the leader."""
        self.kill()
        self._process.wait()
        os.close(self._handle)
