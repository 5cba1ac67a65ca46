"""What the clients asked for and what they know of it: ok, failed or unknown, with the position."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Status = Literal["ok", "failed", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Op:
    """One command of a client, however often it was sent."""

    way: Literal["http", "kafka"]
    tenant: str
    command: str
    command_id: UUID
    status: Status
    outcome: str | None = None
    """`accepted` or `unchanged`, of an ok one."""
    code: str | None = None
    """The rule, of a failed one."""
    position: int | None = None
    attempts: int = 1


class History:
    """All operations in the order in which their clients were done with them; several threads write."""

    def __init__(self) -> None:
        self._ops: list[Op] = []
        self._broken: list[str] = []
        self._lock = threading.Lock()
        self.reads = 0
        """Reads with `after=` that saw what was written."""

    def add(self, op: Op) -> None:
        """A client is done with it."""
        with self._lock:
            self._ops.append(op)

    def saw(self) -> None:
        """A client has read what it wrote."""
        with self._lock:
            self.reads += 1

    def breach(self, what: str) -> None:
        """A client was told something that may not be."""
        with self._lock:
            self._broken.append(what)

    @property
    def ops(self) -> Sequence[Op]:
        """All so far."""
        with self._lock:
            return tuple(self._ops)

    @property
    def breaches(self) -> Sequence[str]:
        """What may not be, as clients saw it."""
        with self._lock:
            return tuple(self._broken)

    def progress(self) -> tuple[int, int, int]:
        """How many commands over HTTP and Kafka were acknowledged, and how many writes were read back."""
        done = [op.way for op in self.ops if op.status == "ok"]
        return done.count("http"), done.count("kafka"), self.reads

    def told(self) -> str:
        """The figures."""
        counts: dict[str, int] = {}
        for op in self.ops:
            counts[f"{op.way} {op.status}"] = counts.get(f"{op.way} {op.status}", 0) + 1
        repeated = sum(op.attempts > 1 for op in self.ops)
        return f"{counts}, {repeated} repeated, {self.reads} read back"
