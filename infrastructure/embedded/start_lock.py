"""Only one at a time starts a service on a data folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def start_lock(data: Path) -> Iterator[None]:
    """Wait for the folder's start lock and hold it; it goes with the process that held it."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "start.lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
