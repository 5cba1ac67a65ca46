"""How far the policies of this data folder have come."""

import json
import os
from pathlib import Path


class PolicyProgressFile:
    """One small file, replaced as a whole. Losing its last state costs repeated commands, which have one effect."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> int | None:
        """The last position acted on; None where no policy has been."""
        try:
            return int(json.loads(self._path.read_text(encoding="utf-8"))["position"])
        except FileNotFoundError:
            return None

    def save(self, position: int) -> None:
        """Everything up to this position was acted on."""
        aside = self._path.with_suffix(".new")
        aside.write_text(json.dumps({"position": position}), encoding="utf-8")
        os.replace(aside, self._path)
