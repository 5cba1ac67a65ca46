"""What a run may ask of its executor in all: a patient one asks as often as its time allows."""

from dataclasses import dataclass
from typing import Literal

from infrastructure.execution.errors import RunCallMalformed

Asked = Literal["read_bytes", "reads", "metric_batches", "metric_points", "staged_bytes"]


@dataclass
class Account:
    """What is left of it."""

    read_bytes: int = 8 << 30
    """Each answer is a file in its folder."""
    reads: int = 100_000
    metric_batches: int = 200_000
    """Each is an event of the log, which keeps it for ever."""
    metric_points: int = 10_000_000
    staged_bytes: int = 16 << 30
    """Replaced files too."""

    def charge(self, what: Asked, count: int) -> None:
        """Count it. Raises RunCallMalformed where it is more than is left."""
        left = getattr(self, what) - count
        if left < 0:
            raise RunCallMalformed(f"the run has asked for too much: {what.replace('_', ' ')}")
        setattr(self, what, left)
