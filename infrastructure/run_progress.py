"""How far runs with workers elsewhere are: live only, never events, gone at their end."""

import threading
from typing import Annotated, Protocol

import msgspec


class Progress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a run is, as its worker says."""

    fraction: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """0 to 1."""
    message: Annotated[str, msgspec.Meta(max_length=500)] = ""


class ProgressBoard(Protocol):
    """The last word of each worker elsewhere."""

    def say(self, run_id: str, progress: Progress) -> None:
        """The worker says how far it is."""
        ...

    def of(self, run_id: str) -> Progress | None:
        """What it said last."""
        ...

    def forget(self, run_id: str) -> None:
        """The run is over."""
        ...


class ProgressInMemory:
    """The board of a service that is one process."""

    def __init__(self) -> None:
        self._said = dict[str, Progress]()
        self._lock = threading.Lock()

    def say(self, run_id: str, progress: Progress) -> None:
        """The worker says how far it is."""
        with self._lock:
            self._said[run_id] = progress

    def of(self, run_id: str) -> Progress | None:
        """What it said last."""
        return self._said.get(run_id)

    def forget(self, run_id: str) -> None:
        """The run is over."""
        with self._lock:
            self._said.pop(run_id, None)
