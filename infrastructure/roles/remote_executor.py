"""Executors of roles that run nothing themselves: workers elsewhere look for their work in the log."""

from pathlib import Path

from infrastructure.roles.run_leases import PostgresLeaseBook


class WorkersElsewhere:
    """`application.ports.Executor` where the workers are other processes, which follow the log themselves."""

    def __init__(self, book: PostgresLeaseBook) -> None:
        self._book = book

    def wake(self) -> None:
        """Workers see the submission in the log."""

    def kill(self, run_id: str) -> None:
        """The worker that has the run sees its end in the log."""

    def progress(self, run_id: str) -> tuple[float, str] | None:
        """How far a run is, as its worker said last."""
        said = self._book.of(run_id)
        return None if said is None else (said.fraction, said.message)

    def log_path(self, run_id: str) -> Path | None:
        """What a run printed is with its worker until it ends, then in the store."""
        del run_id

    def wait_idle(self, timeout_s: float) -> bool:
        """Nothing runs here."""
        del timeout_s
        return True
