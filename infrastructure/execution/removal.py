"""Deletes what a program left, whatever it made of its folders."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def remove_folder(root: Path) -> None:
    """Delete a folder and all below it, however deep and whatever its modes. What cannot be deleted stays.

    A folder below is first moved up, so that no path grows with the depth. Nobody may write there meanwhile.
    """
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        with suppress(OSError):
            waiting += _emptied(folder, root)
            if folder != root:
                folder.rmdir()
    with suppress(OSError):
        root.rmdir()


def _emptied(folder: Path, root: Path) -> list[Path]:
    """Delete a folder's files; its folders, which now lie in the root."""
    found: list[Path] = []
    with os.scandir(folder) as entries:
        for entry in list(entries):
            path = Path(entry.path)
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    path.chmod(0o700)
                    found.append(path.rename(root / f"removed-{secrets.token_hex(16)}"))
                else:
                    path.unlink()
    return found
