"""What a process printed, kept within bounds however much it prints."""

import re
import threading
from collections import deque
from pathlib import Path
from typing import BinaryIO

_CHUNK = 64 * 1024
_NOT_SHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What would steer a terminal, turn text around, or cannot be stored."""


def shown(text: str) -> str:
    """What a process printed or told, as it may stand in a message; in its log it stays as it was."""
    return _NOT_SHOWN.sub("\ufffd", text)


class OutputLog:
    """Copies a pipe into a file: the first bytes as they come, of the rest only the last ones, at the end."""

    def __init__(self, path: Path, head_bytes: int = 5 << 20, tail_bytes: int = 5 << 20) -> None:
        self.path = path
        self._head_left = head_bytes
        self._tail_bytes = tail_bytes
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def follow(self, pipe: BinaryIO) -> None:
        """Begin to copy, in a thread of its own, until the pipe ends."""
        self._thread = threading.Thread(target=self._copy, args=(pipe,), name="output-log", daemon=True)
        self._thread.start()

    def finish(self, timeout_s: float = 5.0) -> None:
        """Wait for the pipe's end (a stray process may hold it open: no longer than the time-out)."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def last_lines(self, count: int = 20, characters: int = 3000) -> str:
        """The end of what was printed."""
        content = self.path.read_bytes()[-4 * characters :] if self.path.exists() else b""
        lines = content.decode("utf-8", "replace").splitlines()[-count:]
        return "\n".join(lines)[-characters:]

    def _copy(self, pipe: BinaryIO) -> None:
        with pipe, self.path.open("wb") as file:
            while chunk := pipe.read1(_CHUNK):  # pyright: ignore[reportAttributeAccessIssue]  # a buffered pipe
                head, rest = chunk[: self._head_left], chunk[self._head_left :]
                self._head_left -= len(head)
                file.write(head)
                file.flush()
                self._keep(rest)
            if self._dropped:
                file.write(f"\n… {self._dropped} bytes left out …\n".encode())
            file.writelines(self._tail)

    def _keep(self, chunk: bytes) -> None:
        if not chunk:
            return
        self._tail.append(chunk)
        self._tail_size += len(chunk)
        while self._tail_size - len(self._tail[0]) >= self._tail_bytes:
            dropped = self._tail.popleft()
            self._tail_size -= len(dropped)
            self._dropped += len(dropped)
