"""The desk with real views: look-ups and queries answer from SQLite, and the policies follow in a thread."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from application.bus import Bus
from application.handlers import HANDLERS
from application.policies import POLICIES
from application.policies.runner import PolicyRunner
from infrastructure.policy_progress import PolicyProgressFile
from infrastructure.views import open_views
from tests.support.desk import Desk


class WiredDesk(Desk):
    """Desk on log, views and stores of one folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.views = open_views(folder / "views.sqlite", self.log)
        self.queries = self.views.queries
        self.services = replace(self.services, lookups=self.views.lookups)
        self.bus = Bus(self.services, HANDLERS)
        self.views.start()

    def __exit__(self, *_: object) -> None:
        self.views.close()
        self.log.close()

    def seen(self) -> None:
        """Wait until the views have everything."""
        self.views.wait(self.log.head(), 10.0)

    @property
    def progress_path(self) -> Path:
        return self.folder / "policies.json"

    def progress(self) -> PolicyProgressFile:
        """How far the policies of this folder have come."""
        return PolicyProgressFile(self.progress_path, self.log, self.clock)

    def runner(self, policies: dict | None = None) -> PolicyRunner:
        """A runner that was not started yet, as one process has one."""
        return PolicyRunner(POLICIES if policies is None else policies, self.policies(), self.progress())

    @contextmanager
    def followed(self, policies: dict | None = None) -> Iterator[PolicyRunner]:
        """The policies at work."""
        runner = self.runner(policies)
        runner.start()
        try:
            yield runner
        finally:
            runner.stop()

    def until(self, holds: Callable[[], bool], what: str, timeout_s: float = 10.0) -> None:
        """Wait, from one event to the next, until something holds."""
        position, waited = 0, 0.0
        while not holds():
            assert waited < timeout_s, f"it never came true: {what}"
            head = self.log.wait_beyond(position, 0.02)
            waited += 0.02 if head <= position else 0.0
            position = head
