"""The production log as an operator's command opens it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from infrastructure.activity_log import DatabaseActivityLog
from infrastructure.roles.wiring import open_log, required
from infrastructure.settings import Settings


@contextmanager
def opened_log(settings: Settings) -> Iterator[tuple[DatabaseActivityLog, str]]:
    """The log and the address of its database. Raises SettingMissing, and what opening the log may."""
    with ExitStack() as opened:
        yield open_log(settings, opened), required(settings, "database_url")
