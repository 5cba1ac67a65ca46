"""Sandboxes of each level; one that needs a program says how to get it."""

import shutil
from pathlib import Path

from infrastructure.processes.sandbox import Level, Sandbox

LEVELS: tuple[Level, ...] = ("L1", "L2", "L3")
STRONG: tuple[Level, ...] = ("L2", "L3")
"""Those that hold against attackers."""


def sandbox_of(level: Level, *hidden: Path) -> Sandbox:
    """A sandbox of this level, with folders that are not seen inside."""
    return Sandbox(level, hidden, bubblewrap() if level == "L3" else None)


def bubblewrap() -> Path:
    """Where bubblewrap is. Level L3 is proved, so its tests need it."""
    found = shutil.which("bwrap")
    assert found, "bwrap is missing: apt-get install bubblewrap (0.8 or later)"
    return Path(found)
