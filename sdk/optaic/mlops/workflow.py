"""What the commands of a flow have in common: a correlation id; each names the command before it as its
cause.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

_CORRELATION = "X-Correlation-Id"
_CAUSATION = "X-Causation-Id"


@dataclass
class Workflow:
    """The flow that runs. Threads that are given its context share it; others send commands of their own."""

    correlation_id: UUID = field(default_factory=uuid4)
    causation_id: str | None = None
    """The id of the command that was accepted last."""
    failed: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """Instance and kind → the run that failed in the attempt before, while a task is tried again."""


_current: ContextVar[Workflow | None] = ContextVar("optaic_workflow", default=None)


def current() -> Workflow | None:
    """The flow that this code runs in; None outside of one."""
    return _current.get()


@contextmanager
def joined() -> Generator[Workflow]:
    """The flow that runs, or a new one; a flow within a flow is part of it."""
    running = _current.get()
    if running is not None:
        yield running
        return
    begun = Workflow()
    token = _current.set(begun)
    try:
        yield begun
    finally:
        _current.reset(token)


@contextmanager
def one_task() -> Generator[None]:
    """What failed within is tried again within only."""
    flow = _current.get()
    before: Mapping[tuple[str, str], str] = flow.failed if flow else {}
    try:
        yield
    finally:
        if flow is not None:
            flow.failed = before


def headers_of_write() -> dict[str, str]:
    """What a writing request of the flow says of itself; nothing outside of one."""
    flow = _current.get()
    if flow is None:
        return {}
    cause = {} if flow.causation_id is None else {_CAUSATION: flow.causation_id}
    return {_CORRELATION: str(flow.correlation_id), **cause}


def follow(written: Mapping[str, Any]) -> None:
    """The next command of the flow follows from the one that was answered here."""
    flow = _current.get()
    if flow is not None and isinstance(written.get("command_id"), str):
        flow.causation_id = written["command_id"]
