"""The computer's clock."""

from datetime import UTC, datetime


class SystemClock:
    """The time as the operating system tells it, in UTC."""

    def now(self) -> datetime:
        """Now."""
        return datetime.now(UTC)
