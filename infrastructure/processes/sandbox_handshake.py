"""What the warden and bubblewrap say to each other. Standard library only.

bubblewrap tells the number of its first process, waits until that is limited, and tells at the end how the
program ended; where it tells nothing of that, it never started the program.
"""

import json
import os
import resource
import select
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

_SETUP_S = 20.0
_TOLD_BYTES = 65536
_SIGNALLED, _LAST_SIGNAL = 128, 64
"""A signal that ended the program is written as 128 and its number."""


class Handshake:
    """Two pipes. Made before the fork; afterwards each side calls its own methods."""

    def __init__(self) -> None:
        self._listening, self._telling = os.pipe()
        self._waiting, self._releasing = os.pipe()
        self._begun = b""
        self._facts: dict[str, Any] = {}

    def arguments(self, call_filter: bytes) -> Sequence[str]:
        """In the process that becomes bubblewrap: what its command line has to hold beside."""
        inherited = {"--json-status-fd": self._telling, "--block-fd": self._waiting}
        if call_filter:
            inherited["--seccomp"] = os.memfd_create("filter")
            os.write(inherited["--seccomp"], call_filter)
            os.lseek(inherited["--seccomp"], 0, os.SEEK_SET)
        for handle in inherited.values():
            os.set_inheritable(handle, True)
        return [word for name, handle in inherited.items() for word in (name, str(handle))]

    def begin(self, processes: int) -> None:
        """In the warden: bound how many processes there can be, then let the program start. The user's other
        processes do not count: a namespace of users has its own count. Raises OSError.
        """
        os.close(self._telling)
        os.close(self._waiting)
        while self._listen(_SETUP_S) and "child-pid" not in self._facts:
            pass
        with suppress(ProcessLookupError, BrokenPipeError):
            if "child-pid" in self._facts:
                resource.prlimit(self._facts["child-pid"], resource.RLIMIT_NPROC, (processes, processes))
            os.write(self._releasing, b"1")

    def ended(self, status: int) -> int | None:
        """In the warden: how the program ended, as a wait status, by that of bubblewrap. None: it was never
        started.
        """
        if os.WIFSIGNALED(status):
            return status
        with suppress(TimeoutError):  # a process that it left behind may hold the pipe open
            while self._listen(0):
                pass
        if "exit-code" not in self._facts:
            return None
        number = os.WEXITSTATUS(status) - _SIGNALLED
        return number if 0 < number <= _LAST_SIGNAL else status

    def _listen(self, patience_s: float) -> bool:
        """Hear what is told; False once there is no more. Raises TimeoutError where it does not come."""
        if not select.select([self._listening], [], [], patience_s)[0]:
            raise TimeoutError("bubblewrap did not say that it began")
        told = os.read(self._listening, _TOLD_BYTES)
        *lines, self._begun = (self._begun + told).split(b"\n")
        for line in lines:
            self._facts |= json.loads(line)
        return bool(told)
