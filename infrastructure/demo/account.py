"""How the demonstration speaks: numbered parts, and claims that are checked before they are printed."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console


class ClaimFailed(Exception):
    """Something that the account was about to say is not true."""


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
    def working(self, what: str) -> Iterator[None]:
        """A step that takes a moment: a spinner on a terminal, nothing elsewhere."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(what):
            yield

    def claim(self, holds: bool, what: str) -> None:
        """Check something that the account says; raises ClaimFailed."""
        if not holds:
            raise ClaimFailed(what)
