"""How the demonstration speaks: numbered parts, and claims that are checked before they are printed."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn


class ClaimFailed(Exception):
    """Something that the account was about to say is not true."""


class Bar:
    """The bar of the step in hand; it pulses until it is told how far the step is."""

    def __init__(self, progress: Progress, what: str) -> None:
        self._progress = progress
        self._what = what
        self._task = progress.add_task(what, total=None)

    def show(self, fraction: float, doing: str) -> None:
        """The step is so far (0 to 1), and does this."""
        self._progress.update(self._task, total=1.0, completed=fraction, description=f"{self._what}: {doing}")


class Account:
    """Prints the story; on a terminal the step in hand is shown while it lasts."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._console = Console(file=self._out, highlight=False)
        self._began = time.perf_counter()

    def line(self, text: str = "") -> None:
        """One line of the account, as it is."""
        self._out.write(text + "\n")
        self._out.flush()

    def seconds(self) -> float:
        """Seconds since the account began."""
        return time.perf_counter() - self._began

    @contextmanager
    def part(self, number: int, title: str) -> Iterator[None]:
        """A numbered part; its title comes first, the seconds it took at its end."""
        began = time.perf_counter()
        self.line()
        self.line(f"{number} {title}")
        yield
        self.line(f"  ({time.perf_counter() - began:.0f} s)")

    @contextmanager
    def working(self, what: str) -> Iterator["Bar | None"]:
        """A step that takes a moment: a progress bar on a terminal, nothing elsewhere."""
        if not self._console.is_terminal:
            yield None
            return
        columns = (SpinnerColumn(), TextColumn("  {task.description}"), BarColumn(bar_width=32))
        with Progress(*columns, console=self._console, transient=True) as progress:
            yield Bar(progress, what)

    def claim(self, holds: bool, what: str) -> None:
        """Check something that the account says; raises ClaimFailed."""
        if not holds:
            raise ClaimFailed(what)
