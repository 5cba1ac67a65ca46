"""Finds files that other services wrote, under named roots: never a URI, never outside its root."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from application.errors import (
    DatasetFileMissing,
    DatasetHashMismatch,
    DatasetKeyForbidden,
    DatasetLocationUnknown,
)
from domain.dataset.events import LocatedFile


def located_content(file: LocatedFile, locations: Mapping[str, Path]) -> Path:
    """The path of a located file. Raises DatasetLocationUnknown, DatasetKeyForbidden, DatasetFileMissing."""
    root = locations.get(file.location)
    if root is None:
        known = ", ".join(sorted(locations)) or "none"
        raise DatasetLocationUnknown(
            f"{file.location!r} is not a location; there are: {known}", location=file.location
        )
    path = root / _checked_key(file.key)
    if not path.resolve().is_relative_to(root.resolve()):
        raise DatasetKeyForbidden(f"{file.key!r} leads out of {file.location!r}", key=file.key)
    if not path.is_file():
        raise DatasetFileMissing(f"{file.key!r} is not in {file.location!r}", key=file.key)
    return path


def refuse_changed(file: LocatedFile, content: bytes) -> None:
    """Raises DatasetHashMismatch if the bytes are not the announced ones."""
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise DatasetHashMismatch(
            f"{file.key!r} has SHA-256 {found}, announced was {file.sha256}", key=file.key
        )


def _checked_key(key: str) -> str:
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts) or any(mark in key for mark in "\\:\0"):
        raise DatasetKeyForbidden(f"{key!r} is not a plain relative key", key=key)
    return key
